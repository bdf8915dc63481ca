/// How the spikes of a window are brought to the neurons of a population. All give equal bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Step by step, the weight row of every spike is added to the currents of its targets.
    Rows,
    /// Sixteen targets at a time: the currents of eight steps are summed in registers over weight rows in full, which of
    /// large sparse tables are written out block by block.
    Tiles,
    /// Target by target: the currents of all steps are summed in registers, each weight added in the steps in
    /// which its source fires. Of populations behind a single table of weight rows, or a single convolution of spikes
    /// without values whose tiles of 16 targets are of one position.
    TimeLanes,
    /// Step by step and position by position of the targets (of a vector there is one): the weight rows of all spikes that a
    /// position sees are added in registers. For steps in which much arrives, as of spikes that stand for all that a neuron has to
    /// say.
    Gather,
}

impl Delivery {
    /// Every delivery.
    pub const ALL: [Self; 4] = [Self::Rows, Self::Tiles, Self::TimeLanes, Self::Gather];
}
