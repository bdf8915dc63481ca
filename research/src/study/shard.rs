//! Parts of a whole, for many machines.

use std::ops::Range;
use std::str::FromStr;

/// One of so many parts: `2/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1 on.
    pub number: usize,
    /// All of them.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed =
            text.split_once('/').and_then(|(number, of)| Self::new(number.parse().ok()?, of.parse().ok()?));
        parsed.ok_or_else(|| format!("`{text}` is no part; allowed are 1/5, 2/5 … 5/5"))
    }
}

impl Shard {
    /// A part, if its number is from 1 to that of all.
    #[must_use]
    pub fn new(number: usize, of: usize) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Its share of so many things in a row: as many as the others have, or one more.
    #[must_use]
    pub fn range(self, all: usize) -> Range<usize> {
        let (each, more) = (all / self.of, all % self.of);
        let start = |number: usize| number * each + number.min(more);
        start(self.number - 1)..start(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_whole_lie_side_by_side_and_differ_by_at_most_one() {
        for all in [0, 1, 5, 40, 41] {
            for of in 1..7 {
                let parts: Vec<_> = (1..=of).map(|number| Shard { number, of }.range(all)).collect();
                assert_eq!((parts[0].start, parts[of - 1].end), (0, all));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
                assert!(
                    parts.iter().all(|part| (all / of..=all / of + 1).contains(&part.len())),
                    "{parts:?}"
                );
            }
        }
    }

    #[test]
    fn a_part_is_a_number_from_1_to_that_of_all() {
        assert_eq!("2/5".parse(), Ok(Shard { number: 2, of: 5 }));
        for wrong in ["", "2", "0/5", "6/5", "1/0", "-1/5", "1/5/5", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
