use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An immutable, shared array: owned memory, or a section of a mapped file that the buffer keeps alive.
///
/// Cloning is O(1).
pub struct Buffer<T: 'static>(Arc<dyn AsRef<[T]> + Send + Sync>);

impl<T> Buffer<T> {
    /// Wraps memory that somebody else owns, such as a mapped file.
    ///
    /// `as_ref` must give the same elements at every call.
    pub fn shared(owner: Arc<dyn AsRef<[T]> + Send + Sync>) -> Self {
        Self(owner)
    }
}

impl<T: Send + Sync> From<Vec<T>> for Buffer<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Arc::new(values))
    }
}

impl<T> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        (*self.0).as_ref()
    }
}

impl<T> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} elements]", self.len())
    }
}
