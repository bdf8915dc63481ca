/// The most weight rows that one arrangement of spikes can name, the resting row included.
pub const MOST_ROWS: usize = 8191;

/// The most steps of a window.
pub const MOST_STEPS: usize = 256;

/// The spikes of a window that arrive through one block of weight rows, arranged so that eight steps are summed
/// side by side.
///
/// The sums of eight steps are independent, so the processor works on all of them at once. Steps with equally
/// many spikes stand together; where one has fewer than its neighbours, the empty places name row 0, the
/// *resting row*, whose weights are all −0.0 and change no sum. Spike `j` of the block names row `j + 1`.
#[derive(Clone, Debug, Default)]
pub struct Octets {
    /// No place names a row from here on.
    rows: usize,
    /// Window steps.
    given: usize,
    /// Window steps in whole octets.
    padded: usize,
    /// Where the places of each octet start, and the end.
    starts: Vec<u32>,
    /// The steps of each octet: all of `0..padded`, each once.
    steps: Vec<[u16; 8]>,
    /// Rows, as the distance from row 0 in units of 8 bytes: eight steps side by side.
    places: Vec<[u16; 8]>,
    /// The values of the spikes at these places; none if all are 1.
    scales: Vec<[f32; 8]>,
    order: Vec<u16>,
    counts: Vec<u32>,
}

impl Octets {
    /// Arranges the spikes of `steps` steps; `list(step)` are the spikes of one, ascending, of which the first
    /// row of the block has the id `first` (which may lie before any id).
    ///
    /// Cost: O(spikes + steps).
    ///
    /// # Panics
    /// If there are more steps or rows than allowed, or a spike is not in `first..first + rows`.
    pub fn arrange<'a>(&mut self, rows: usize, first: i64, steps: usize, list: impl Fn(usize) -> &'a [u32]) {
        assert!(rows < MOST_ROWS && steps <= MOST_STEPS, "{rows} rows, {steps} steps");
        // Until all is checked, no block has enough rows.
        self.rows = usize::MAX;
        self.given = steps;
        self.padded = steps.next_multiple_of(8);
        // To find the spikes of a step is half the work where they are few: once is enough.
        let mut lists: [&[u32]; MOST_STEPS] = [&[]; MOST_STEPS];
        let mut longest = 0;
        for (step, spikes) in lists[..steps].iter_mut().enumerate() {
            *spikes = list(step);
            longest = longest.max(spikes.len());
        }
        assert!(longest <= rows, "{longest} spikes of a step in a block of {rows} rows");
        // Counting sort of the steps by their number of spikes.
        self.counts.clear();
        self.counts.resize(longest + 2, 0);
        for spikes in &lists[..self.padded] {
            self.counts[spikes.len() + 1] += 1;
        }
        for length in 0..=longest {
            self.counts[length + 1] += self.counts[length];
        }
        self.order.clear();
        self.order.resize(self.padded, 0);
        for (step, spikes) in lists[..self.padded].iter().enumerate() {
            let place = &mut self.counts[spikes.len()];
            self.order[*place as usize] = step as u16;
            *place += 1;
        }
        self.starts.clear();
        self.steps.clear();
        self.places.clear();
        self.scales.clear();
        // The distance between a spike's id and its row, modulo 2³².
        let shift = 1_u32.wrapping_sub(first as u32);
        let mut largest = 0;
        for eight in self.order.as_chunks::<8>().0 {
            let start = self.places.len();
            self.starts.push(start as u32);
            self.steps.push(*eight);
            // The last of the eight has the most.
            self.places.resize(start + lists[usize::from(eight[7])].len(), [0; 8]);
            for (slot, &step) in eight.iter().enumerate() {
                for (place, &spike) in self.places[start..].iter_mut().zip(lists[usize::from(step)]) {
                    let row = spike.wrapping_add(shift);
                    largest = largest.max(row);
                    place[slot] = row.wrapping_mul(8) as u16;
                }
            }
        }
        self.starts.push(self.places.len() as u32);
        assert!(largest as usize <= rows, "row {largest} of a block of {rows}");
        self.rows = rows + 1;
    }

    /// Gives the spikes that were arranged their values: `list(step)` are those of a step, in order; none if all are 1.
    ///
    /// # Panics
    /// If there are more values than spikes.
    pub fn set_values<'a>(&mut self, list: impl Fn(usize) -> &'a [i32]) {
        // What is empty keeps 1, with which the resting row stays −0.0.
        self.scales.resize(self.places.len(), [1.0; 8]);
        for (eight, ends) in self.steps.iter().zip(self.starts.windows(2)) {
            let scales = &mut self.scales[ends[0] as usize..ends[1] as usize];
            // Steps that only fill up the last octet have no spikes.
            for (slot, &step) in eight.iter().enumerate().filter(|(_, step)| usize::from(**step) < self.given)
            {
                let values = list(usize::from(step));
                assert!(values.len() <= scales.len(), "{} values of {} places", values.len(), scales.len());
                for (scale, &value) in scales.iter_mut().zip(values) {
                    scale[slot] = value as f32;
                }
            }
        }
    }

    /// Window steps in whole octets.
    #[must_use]
    pub fn padded(&self) -> usize {
        self.padded
    }

    /// Rows that the block must have, the resting row included.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether no spike arrives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Each octet: its steps, and where the places stand in which their spikes are.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u16; 8], std::ops::Range<usize>)> {
        let ends = self.starts.windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
        self.steps.iter().zip(ends)
    }

    /// Rows, as the distance from row 0 in units of 8 bytes: eight steps side by side.
    #[inline(always)]
    pub(super) fn places(&self) -> &[[u16; 8]] {
        &self.places
    }

    /// The values of the spikes at the places; `None` if all are 1.
    #[inline(always)]
    pub(super) fn scales(&self) -> Option<&[[f32; 8]]> {
        (!self.scales.is_empty()).then_some(&self.scales)
    }
}
