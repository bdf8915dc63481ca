//! What a call gave: a code, and the text of the last failure of this thread.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use snn_engine::{NetworkError, NetworkErrorKind};
use snn_formats::{FormatError, FormatErrorKind};

/// What a call gave. Of all but `SNN_STATUS_OK` snn_last_error() has the text.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnnStatus {
    /// It is done.
    Ok = 0,
    /// An argument is not allowed by itself: a null pointer, a name that is not UTF-8, a number that stands for nothing.
    Argument = 1,
    /// Populations, projections or parameters do not make a network.
    Network = 2,
    /// Samples, currents or spikes do not fit the network, or a run would take more memory than is allowed.
    Input = 3,
    /// A state is damaged, or is none of this network.
    State = 4,
    /// A file is damaged or holds something else.
    Format = 5,
    /// The operating system refused: no such file, no permission, disk full.
    System = 6,
    /// A fault of this library. The handle that was used can only be freed; please report the text.
    Fault = 7,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: SnnStatus,
    pub text: String,
}

impl Failure {
    pub fn argument(text: impl Into<String>) -> Self {
        Self { status: SnnStatus::Argument, text: text.into() }
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        let status = match error.kind() {
            NetworkErrorKind::Input => SnnStatus::Input,
            NetworkErrorKind::State => SnnStatus::State,
            _ => SnnStatus::Network,
        };
        Self { status, text: error.to_string() }
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        let status = match error.kind {
            FormatErrorKind::System(_) => SnnStatus::System,
            _ => SnnStatus::Format,
        };
        Self { status, text: error.to_string() }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

fn keep(text: String) {
    // A file's name may hold any character but this.
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    LAST.with(|last| last.replace(text));
}

/// Does the work of a call: a failure becomes its code and its text, and so does a panic, which must not cross into C.
pub(crate) fn call(work: impl FnOnce() -> Result<(), Failure>) -> SnnStatus {
    // What a panic leaves half done is not used again: see `Guarded`.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => SnnStatus::Ok,
        Ok(Err(Failure { status, text })) => {
            keep(text);
            status
        }
        Err(panic) => {
            keep(format!("a fault of snn-event: {}", said(&*panic)));
            SnnStatus::Fault
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it has no text")
}

/// The text of the last call of this thread that failed, or an empty one. It is valid until the next call of this thread
/// that fails.
#[unsafe(no_mangle)]
pub extern "C" fn snn_last_error() -> *const c_char {
    LAST.with(|last| last.borrow().as_ptr())
}

/// What a call changes. After a panic in the midst of a change it is not used any more.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    inner: T,
    whole: bool,
}

impl<T> Guarded<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, whole: true }
    }

    /// Changes it.
    pub fn change<R>(&mut self, work: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure> {
        if !self.whole {
            let text = "an earlier call failed by a fault of snn-event; this handle can only be freed";
            return Err(Failure { status: SnnStatus::Fault, text: text.into() });
        }
        self.whole = false;
        let result = work(&mut self.inner);
        self.whole = true;
        result
    }
}

/// What a pointer points to.
///
/// # Safety
/// It is null, or points to a value that nobody changes as long as the reference lives.
pub(crate) unsafe fn given<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: as the caller says.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// What a pointer points to, to be changed.
///
/// # Safety
/// It is null, or points to a value that nobody else uses as long as the reference lives.
pub(crate) unsafe fn changed<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: as the caller says.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// Writes a result where the caller wants it.
///
/// # Safety
/// The place is null, or may be written; what stands there is not looked at.
pub(crate) unsafe fn put<T>(place: *mut T, value: T, name: &str) -> Result<(), Failure> {
    if place.is_null() {
        return Err(null(name));
    }
    // SAFETY: as the caller says.
    unsafe { place.write(value) };
    Ok(())
}

/// Makes a handle and gives it to the caller; nothing is made where it cannot be given.
///
/// # Safety
/// The place is null, or may be written; what stands there is not looked at.
pub(crate) unsafe fn hand_over<T>(
    place: *mut *mut T,
    name: &str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<(), Failure> {
    if place.is_null() {
        return Err(null(name));
    }
    let handle = Box::into_raw(Box::new(make()?));
    // SAFETY: as the caller says.
    unsafe { put(place, handle, name) }
}

/// Takes a handle back.
///
/// # Safety
/// It was made by [`hand_over`] or [`Box::into_raw`] and not taken back before, or is null.
pub(crate) unsafe fn take_back<T>(handle: *mut T) {
    if !handle.is_null() {
        // A panic while it is dropped must not cross into C, either; what is left of it is lost.
        // SAFETY: as the caller says.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(handle) })));
    }
}

/// An array of the caller. Of length 0 it may be null.
///
/// # Safety
/// It is null, or so many values stand there that nobody changes as long as the reference lives.
pub(crate) unsafe fn array<'a, T>(pointer: *const T, length: usize, name: &str) -> Result<&'a [T], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if !pointer.is_aligned() || length > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::argument(format!("{name}: an array of {length} values cannot stand there")));
    }
    // SAFETY: as the caller says; it is not null, aligned, and not longer than an object may be.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// A name.
///
/// # Safety
/// It is null, or points to a text that ends with a zero and that nobody changes as long as the reference lives.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: as the caller says.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Failure::argument(format!("{name}: {text:?} is not UTF-8")))
}

fn null(name: &str) -> Failure {
    Failure::argument(format!("{name} is a null pointer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        // SAFETY: the text is valid until the next failure.
        unsafe { CStr::from_ptr(snn_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_code_with_its_text_and_what_was_changed_is_not_used_again() {
        let mut number = Guarded::new(3);
        let status = call(|| {
            number.change(|number| {
                *number = 4;
                panic!("half of {number}")
            })
        });
        assert_eq!(status, SnnStatus::Fault);
        assert!(last().contains("half of 4"), "{}", last());
        let again = call(|| number.change(|_| Ok(())));
        assert_eq!(again, SnnStatus::Fault);
        assert!(last().contains("can only be freed"), "{}", last());
    }

    #[test]
    fn a_text_with_a_zero_in_it_is_told_whole() {
        assert_eq!(call(|| Err(Failure::argument("a\0b"))), SnnStatus::Argument);
        assert_eq!(last(), "a\u{fffd}b");
    }

    #[test]
    fn a_refusal_leaves_what_was_to_be_changed_in_use() {
        let mut number = Guarded::new(3);
        assert_eq!(call(|| number.change(|_| Err(Failure::argument("no")))), SnnStatus::Argument);
        assert_eq!(call(|| number.change(|_| Ok(()))), SnnStatus::Ok);
    }
}
