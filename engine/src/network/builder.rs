use super::connectivity::Connectivity;
use super::id::PopulationId;
use super::kept::Kept;
use super::lattice::lattice;
use super::layout::Layout;
use super::net::Network;
use super::neuron::{AnyModel, Neuron};
use super::order::topological_order;
use super::population::{Population, Projection};
use crate::error::NetworkError;
use crate::neuron::Emission;
use crate::spikes::LARGEST_VALUE;

/// The longest delay of a projection, in steps. The spikes of that many steps are kept.
pub const LONGEST_DELAY: u32 = 65_535;

/// The only door to a [`Network`]: collects populations and projections, and checks them as a whole.
#[derive(Clone, Debug, Default)]
pub struct NetworkBuilder {
    populations: Vec<(String, Layout, Neuron)>,
    projections: Vec<Projection>,
}

impl NetworkBuilder {
    /// An empty network.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a population. Its id is the number of populations declared before.
    pub fn population(&mut self, name: impl Into<String>, layout: Layout, neuron: Neuron) -> PopulationId {
        let id = PopulationId(u32::try_from(self.populations.len()).unwrap_or(u32::MAX));
        self.populations.push((name.into(), layout, neuron));
        id
    }

    /// Declares a projection whose spikes arrive `delay` steps after they were emitted.
    pub fn projection(
        &mut self,
        source: PopulationId,
        target: PopulationId,
        delay: u32,
        connectivity: Connectivity,
    ) -> &mut Self {
        self.projections.push(Projection { source, target, delay, connectivity });
        self
    }

    /// The id of the population declared as number `index`, for readers of files.
    ///
    /// # Errors
    /// If there is no such population.
    pub fn id(&self, index: usize) -> Result<PopulationId, NetworkError> {
        if index < self.populations.len() {
            return Ok(PopulationId(index as u32));
        }
        Err(NetworkError::new(
            format!("population #{index}"),
            format!("does not exist; there are {}", self.populations.len()),
        ))
    }

    /// Checks everything and makes the network.
    ///
    /// # Errors
    /// If a name is empty or used twice, a size does not fit, a parameter is out of range, a projection
    /// does not fit its populations, or zero-delay projections form a cycle.
    pub fn build(self) -> Result<Network, NetworkError> {
        let populations =
            self.populations.into_iter().map(check_population).collect::<Result<Vec<_>, _>>()?;
        if populations.is_empty() {
            return Err(NetworkError::new("network", "has no populations; allowed is at least one"));
        }
        let mut names: Vec<&str> = populations.iter().map(Population::name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(NetworkError::new(format!("population `{}`", pair[0]), "is declared twice"));
        }
        for projection in &self.projections {
            check_projection(&populations, projection)?;
        }
        let order =
            topological_order(populations.len(), &self.projections, |projection| projection.delay == 0)
                .map_err(|cycle| {
                    let names: Vec<&str> = cycle.iter().map(|id| populations[id.index()].name()).collect();
                    NetworkError::new(
                        format!("populations {names:?}"),
                        "form a cycle of zero-delay projections; give one of these a delay of at least 1",
                    )
                })?;
        let mut incoming = vec![vec![]; populations.len()];
        let mut delay_from = vec![0; populations.len()];
        for (at, projection) in self.projections.iter().enumerate() {
            incoming[projection.target.index()].push(at);
            let longest: &mut u32 = &mut delay_from[projection.source.index()];
            *longest = projection.delay.max(*longest);
        }
        let longest_delay = delay_from.iter().copied().max().unwrap_or(0);
        let emissions = emissions(&populations, &self.projections);
        let projections = self.projections;
        let lattice_of = |(population, incoming): (&Population, &Vec<usize>)| {
            let incoming: Vec<&Projection> = incoming.iter().map(|&at| &projections[at]).collect();
            let emission = |projection: &Projection| {
                let source = projection.source.index();
                match populations[source].neuron {
                    Neuron::Source => Emission::UNIT,
                    _ => emissions[source],
                }
            };
            lattice(population, &incoming, emission)
        };
        let lattices = populations.iter().zip(&incoming).map(lattice_of).collect();
        Ok(Network {
            populations,
            projections,
            order,
            incoming,
            longest_delay,
            delay_from,
            emissions,
            lattices,
            kept: Kept::default(),
        })
    }
}

fn check_population((name, layout, neuron): (String, Layout, Neuron)) -> Result<Population, NetworkError> {
    let at = format!("population `{name}`");
    if name.is_empty() {
        return Err(NetworkError::new("population", "has an empty name"));
    }
    // Ids are 32 bits, and simulators round populations up to whole blocks.
    let size = layout.neurons().filter(|&n| n <= u32::MAX - 64);
    let Some(size) = size else {
        return Err(NetworkError::new(
            at,
            format!("has the layout {layout:?}; allowed are fewer than 2^32 - 64 neurons"),
        ));
    };
    let size = size as usize;
    if let Some(model) = neuron.model() {
        check_model(&at, size, model)?;
    }
    Ok(Population { name, layout, size, neuron })
}

fn check_model(at: &str, size: usize, model: &AnyModel) -> Result<(), NetworkError> {
    let values = model.parameters();
    let described = model.description().parameters;
    // A model that contradicts its own description is a fault of its code.
    assert_eq!(values.len(), described.len(), "parameters of the model `{}`", model.description().name);
    for (parameter, values) in described.iter().zip(values) {
        let name = parameter.name;
        if !size.is_multiple_of(values.period()) {
            return Err(NetworkError::new(
                at,
                format!(
                    "has {} values of `{name}` for {size} neurons; allowed is a divisor",
                    values.period()
                ),
            ));
        }
        if let Some(index) = values.values().iter().position(|&value| !parameter.allowed.holds(value)) {
            return Err(NetworkError::new(
                format!("{at}: {name}[{index}]"),
                format!("is {}; allowed are {}", values.values()[index], parameter.allowed),
            ));
        }
    }
    let emission = model.emission();
    assert!(
        (0..=LARGEST_VALUE).contains(&emission.largest),
        "the model `{}` emits {emission:?}; allowed are values up to {LARGEST_VALUE}",
        model.description().name
    );
    model.erased().check().map_err(|error| error.within(at))
}

/// Which values the spikes of every population may have.
fn emissions(populations: &[Population], projections: &[Projection]) -> Vec<Emission> {
    let of_itself = |population: &Population| match &population.neuron {
        Neuron::Source => Emission { largest: LARGEST_VALUE, negative: true },
        Neuron::Model(model) => model.emission(),
        // A pool passes on what reaches it.
        Neuron::MaxPool(_) => Emission::UNIT,
    };
    let mut emissions: Vec<Emission> = populations.iter().map(of_itself).collect();
    // A change passes through every pool of a chain, one a round.
    for _ in populations {
        for projection in projections {
            if let Neuron::MaxPool(_) = populations[projection.target.index()].neuron {
                let source = emissions[projection.source.index()];
                let pool = &mut emissions[projection.target.index()];
                pool.largest = pool.largest.max(source.largest);
                pool.negative |= source.negative;
            }
        }
    }
    emissions
}

fn check_projection(populations: &[Population], projection: &Projection) -> Result<(), NetworkError> {
    let find = |id: PopulationId| {
        populations.get(id.index()).ok_or_else(|| {
            NetworkError::new(
                format!("projection to or from population {id}"),
                "names a population that does not exist",
            )
        })
    };
    let (source, target) = (find(projection.source)?, find(projection.target)?);
    let at = format!("projection `{}` -> `{}`", source.name, target.name);
    let connectivity = &projection.connectivity;
    if (connectivity.sources(), connectivity.targets()) != (source.size, target.size) {
        return Err(NetworkError::new(
            at,
            format!(
                "connects {} with {} neurons, but the populations have {} and {}",
                connectivity.sources(),
                connectivity.targets(),
                source.size,
                target.size
            ),
        ));
    }
    if projection.delay > LONGEST_DELAY {
        return Err(NetworkError::new(
            at,
            format!("has a delay of {} steps; allowed are 0 to {LONGEST_DELAY}", projection.delay),
        ));
    }
    if source.neuron.is_read_out() {
        return Err(NetworkError::new(at, "starts at a read-out population, which never fires"));
    }
    match target.neuron {
        Neuron::Source => Err(NetworkError::new(at, "ends at a source, which has no potential")),
        Neuron::MaxPool(_) => check_unit_weights(connectivity).map_err(|error| error.within(at)),
        Neuron::Model(_) => Ok(()),
    }
}

fn check_unit_weights(connectivity: &Connectivity) -> Result<(), NetworkError> {
    let rows = match connectivity {
        Connectivity::Rows(rows) => rows,
        Connectivity::Conv2d(conv) => conv.rows(),
        Connectivity::OneToOne(one) => return unit(0, one.weights().values().iter().copied()),
    };
    for row in 0..rows.len() {
        let mut found = Ok(());
        rows.fan_out(row, |_, weight| {
            if found.is_ok() {
                found = unit(row, [weight].into_iter());
            }
        });
        found?;
    }
    Ok(())
}

fn unit(row: usize, mut weights: impl Iterator<Item = f32>) -> Result<(), NetworkError> {
    match weights.find(|&weight| weight != 1.0) {
        Some(weight) => Err(NetworkError::new(
            format!("weight row {row}"),
            format!("holds {weight}; onto a max-pool population only weights of 1 are allowed"),
        )),
        None => Ok(()),
    }
}
