//! What simulators make of a network's weights once, for all that run it later.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What was made of a network, one thing of each type. A clone of the network begins with nothing.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<Arc<dyn Any + Send + Sync>>>);

impl Kept {
    /// The thing of a type, made now if there is none. Others who want one wait meanwhile.
    pub(super) fn or_make<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        // A thread that panicked while it made something left nothing behind.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find_map(|one| Arc::clone(one).downcast().ok()) {
            return found;
        }
        let made = Arc::new(make());
        all.push(Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        made
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_of_each_type_is_made_once_and_not_cloned() {
        let kept = Kept::default();
        let first = kept.or_make(|| vec![1, 2]);
        assert!(Arc::ptr_eq(&first, &kept.or_make(Vec::<i32>::new)));
        assert_eq!(*kept.or_make(|| "another".to_owned()), "another");
        assert_eq!(*kept.or_make(|| vec![0]), [1, 2]);
        assert_eq!(*kept.clone().or_make(|| vec![3]), [3]);
    }
}
