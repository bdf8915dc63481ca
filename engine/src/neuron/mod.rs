//! Neuron models. Each file holds one: its parameters, its state and its step.

mod accumulator;
mod adaptive_leaky;
mod bipolar;
mod current_leaky;
mod integrate_fire;
mod leaky;
mod leaky_accumulator;
mod max_pool;
mod model;
mod parameters;
mod ramp;

pub use bipolar::{BiasArrives, Sign};
pub use integrate_fire::Reset;
pub use leaky::LeakyReset;
pub use max_pool::MaxPool;
pub(crate) use max_pool::Maxima;
pub use model::{
    Allowed, Autonomy, Choice, Columns, Description, Emission, Emitted, Initial, Model, Parameter, Variable,
};
pub use parameters::{BIAS, START, THRESHOLD};
pub use ramp::REBASE;
pub(crate) use ramp::ramp_steps;

/// Makes the list of models: their public names, and [`each_model`].
macro_rules! models {
    ($($file:ident::$model:ident,)*) => {
        /// The models of this crate.
        pub mod models {
            $(pub use super::$file::$model;)*
        }

        /// Shows a visitor every model of this crate, in order.
        pub(crate) fn each_model(visitor: &mut impl ModelVisitor) {
            $(visitor.visit::<models::$model>();)*
        }
    };
}

models! {
    integrate_fire::IntegrateFire,
    accumulator::Accumulator,
    bipolar::Bipolar,
    leaky::Leaky,
    current_leaky::CurrentLeaky,
    adaptive_leaky::AdaptiveLeaky,
    leaky_accumulator::LeakyAccumulator,
}

/// Is shown models.
pub(crate) trait ModelVisitor {
    /// One model.
    fn visit<M: Model>(&mut self);
}
