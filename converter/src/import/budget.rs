//! What the reading of one file may take, in proportion to its size: memory, and with it time.
//!
//! A file of 200 bytes can ask for terabytes (a constant that doubles forty times) or for years (a loop over 2⁵⁹ empty
//! blocks). Everything that an operator makes of constants, and every activation and parameter of the net, is therefore
//! counted before it is made, and what is counted is what it costs: an empty tensor by its other extents.

/// Bytes of constants that any file may have computed; twice its own size on top of it.
const CONSTANTS: u64 = 12 << 20;

/// Elements of all activations together that any net may have, one sample's; 64 for every byte of the file on top of it.
const ACTIVATIONS: u64 = 1 << 25;

/// Bytes of parameters that the net's operators may have together, where one constant serves many; eight times its own
/// size on top of it.
const PARAMETERS: u64 = 24 << 20;

/// Bytes of constants that may be read from other files; nine times the size of these on top of it, since a constant of
/// one byte a number is held in eight and several may share a place.
const EXTERNAL: u64 = 1 << 20;

/// What is left of the memory that a file may ask for.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    constants: Account,
    activations: Account,
    parameters: Account,
    external: Account,
}

#[derive(Clone, Debug)]
struct Account {
    allowed: u64,
    left: u64,
}

impl Account {
    fn of(allowed: u64) -> Self {
        Account { allowed, left: allowed }
    }

    fn add(&mut self, amount: u64) {
        self.allowed = self.allowed.saturating_add(amount);
        self.left = self.left.saturating_add(amount);
    }

    /// Takes `amount`, if there is so much left.
    fn spend(&mut self, amount: Option<u64>) -> Result<(), u64> {
        match amount.and_then(|amount| self.left.checked_sub(amount)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.allowed),
        }
    }
}

/// The product of extents, those of 0 left out: the places that a loop over them may visit.
fn places(extents: &[usize]) -> Option<u64> {
    extents.iter().try_fold(1u64, |n, &extent| n.checked_mul(u64::try_from(extent.max(1)).ok()?))
}

impl Budget {
    /// The budget of a file of so many bytes, the files beside it not counted.
    pub(super) fn of(bytes: usize) -> Self {
        let mut budget = Budget {
            constants: Account::of(CONSTANTS),
            activations: Account::of(ACTIVATIONS),
            parameters: Account::of(PARAMETERS),
            external: Account::of(EXTERNAL),
        };
        budget.grow(bytes);
        budget
    }

    /// Adds what one more file of so many bytes, beside the net, allows.
    pub(super) fn add_file(&mut self, bytes: usize) {
        self.grow(bytes);
        self.external.add((bytes as u64).saturating_mul(9));
    }

    fn grow(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.constants.add(bytes.saturating_mul(2));
        self.activations.add(bytes.saturating_mul(64));
        self.parameters.add(bytes.saturating_mul(8));
    }

    /// Counts a constant of a shape, `width` bytes a number, before it is computed.
    ///
    /// # Errors
    /// A sentence, if it is more than is left.
    pub(super) fn constant(&mut self, extents: &[usize], width: usize) -> Result<(), String> {
        let bytes = places(extents).and_then(|places| places.checked_mul(width as u64));
        self.constants.spend(bytes).map_err(|allowed| {
            format!(
                "a constant of shape {extents:?} is too large: what is computed of constants may have {allowed} bytes in a file \
                 of this size; fold the net's constants before exporting it (do_constant_folding=True)"
            )
        })
    }

    /// Counts a constant that is read from a file beside the net, `bytes` as it is held. Several may lie at one place of
    /// the file.
    ///
    /// # Errors
    /// A sentence, if it is more than is left.
    pub(super) fn external(&mut self, bytes: Option<usize>) -> Result<(), String> {
        self.external.spend(bytes.map(|bytes| bytes as u64)).map_err(|allowed| {
            format!(
                "with it the constants that lie in other files take more than {allowed} bytes, the most for files of this size"
            )
        })
    }

    /// Whether there is room for an activation of so many elements, which is counted later.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub(super) fn room(&self, elements: usize) -> Result<(), String> {
        self.clone().step(elements, 0)
    }

    /// Whether there is room for a map along an axis of so many positions, each of at most `taps` others; it is counted
    /// later, with the operator that it belongs to.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub(super) fn positions(&self, positions: usize, taps: usize) -> Result<(), String> {
        self.clone().step(0, positions.saturating_mul(1 + 2 * taps))
    }

    /// Counts the elements of an activation and the numbers of the operator that makes it.
    ///
    /// # Errors
    /// A sentence, if they are more than is left.
    pub(super) fn step(&mut self, elements: usize, parameters: usize) -> Result<(), String> {
        self.activations.spend(Some(elements as u64)).map_err(|allowed| {
            format!(
                "with its {elements} elements the activations of one sample are more than {allowed}, the most for a file of \
                 this size"
            )
        })?;
        self.parameters.spend((parameters as u64).checked_mul(4)).map_err(|allowed| {
            format!(
                "with its {parameters} numbers the parameters of all nodes have more than {allowed} bytes, the most for a file \
                 of this size"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_tensors_are_counted_by_their_other_extents_and_overflow_is_too_much() {
        let mut budget = Budget::of(100);
        assert!(budget.constant(&[1000, 0], 4).is_ok());
        assert!(budget.constant(&[1 << 59, 0], 4).is_err());
        assert!(budget.constant(&[1 << 40, 1 << 40, 0], 4).is_err());
        assert!(budget.constant(&[usize::MAX, 2], 8).is_err());
    }

    #[test]
    fn many_small_constants_are_as_much_as_one_large_one() {
        let mut budget = Budget::of(0);
        let megabytes = (0..).take_while(|_| budget.constant(&[1 << 18], 4).is_ok()).count();
        assert_eq!(megabytes as u64, CONSTANTS >> 20);
        budget.add_file(1 << 19);
        assert!(budget.constant(&[1 << 18], 4).is_ok());
        assert!(budget.constant(&[1 << 18], 4).is_err());
    }
}
