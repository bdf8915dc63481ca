use std::any::TypeId;

use super::neuron::Neuron;
use crate::error::NetworkError;
use crate::neuron::{Description, Model, ModelVisitor, each_model};
use crate::per_neuron::PerNeuron;

/// A model of this crate, by its description: what files and other languages make neurons of.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its constants.
    pub description: &'static Description,
    of: TypeId,
    make: fn(Vec<PerNeuron>, &[usize]) -> Neuron,
}

impl BuiltIn {
    /// Every model of this crate.
    #[must_use]
    pub fn all() -> Vec<Self> {
        struct Gather(Vec<BuiltIn>);

        impl ModelVisitor for Gather {
            fn visit<M: Model>(&mut self) {
                let make = |parameters, choices: &[usize]| Neuron::of(M::from_parts(parameters, choices));
                self.0.push(BuiltIn { description: Description::of::<M>(), of: TypeId::of::<M>(), make });
            }
        }

        let mut all = Gather(vec![]);
        each_model(&mut all);
        all.0
    }

    /// Whether a type is one of them.
    pub(super) fn has(of: TypeId) -> bool {
        Self::all().iter().any(|model| model.of == of)
    }

    /// The model of a name.
    ///
    /// # Errors
    /// If there is none; those that there are are named.
    pub fn find(name: &str) -> Result<Self, NetworkError> {
        Self::all().into_iter().find(|model| model.description.name == name).ok_or_else(|| {
            let known: Vec<&str> = Self::all().iter().map(|model| model.description.name).collect();
            NetworkError::new("neurons", format!("are of no model `{name}`; allowed are {known:?}"))
        })
    }

    /// Neurons of this model, from parameters and choices by their names. One that has a default may be left out.
    ///
    /// # Errors
    /// If there is no parameter, choice or option of a name, one is given twice, or one without a default is missing. The
    /// numbers themselves are checked when the network is built.
    pub fn named<'n>(
        &self,
        parameters: impl IntoIterator<Item = (&'n str, PerNeuron)>,
        choices: impl IntoIterator<Item = (&'n str, &'n str)>,
    ) -> Result<Neuron, NetworkError> {
        let Description { name, parameters: described, choices: possible, .. } = self.description;
        let at = || format!("the model `{name}`");
        let mut values: Vec<Option<PerNeuron>> = vec![None; described.len()];
        for (given, value) in parameters {
            let Some(place) = self.description.parameter(given) else {
                let names: Vec<&str> = described.iter().map(|parameter| parameter.name).collect();
                return Err(NetworkError::new(
                    at(),
                    format!("has no parameter `{given}`; allowed are {names:?}"),
                ));
            };
            if values[place].replace(value).is_some() {
                return Err(NetworkError::new(at(), format!("is given the parameter `{given}` twice")));
            }
        }
        let values =
            described.iter().zip(values).map(|(parameter, value)| match (value, parameter.default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => PerNeuron::same(default),
                (None, None) => {
                    Err(NetworkError::new(at(), format!("needs the parameter `{}`", parameter.name)))
                }
            });
        let values = values.collect::<Result<_, _>>()?;
        let mut options: Vec<Option<usize>> = vec![None; possible.len()];
        for (given, chosen) in choices {
            let Some(place) = possible.iter().position(|choice| choice.name == given) else {
                let names: Vec<&str> = possible.iter().map(|choice| choice.name).collect();
                return Err(NetworkError::new(
                    at(),
                    format!("has no choice `{given}`; allowed are {names:?}"),
                ));
            };
            let allowed = possible[place].options;
            let Some(option) = allowed.iter().position(|option| *option == chosen) else {
                return Err(NetworkError::new(
                    format!("{}: {given}", at()),
                    format!("is `{chosen}`; allowed are {allowed:?}"),
                ));
            };
            if options[place].replace(option).is_some() {
                return Err(NetworkError::new(at(), format!("is given the choice `{given}` twice")));
            }
        }
        let options: Vec<usize> = options.into_iter().map(|option| option.unwrap_or(0)).collect();
        self.neuron(values, &options)
    }

    /// Neurons of this model, from the values of its parameters and the options of its choices, in order of the
    /// description.
    ///
    /// # Errors
    /// If there are more or fewer than described, or there is no such option. The numbers themselves are checked when
    /// the network is built.
    pub fn neuron(&self, parameters: Vec<PerNeuron>, choices: &[usize]) -> Result<Neuron, NetworkError> {
        let Description { name, parameters: described, choices: possible, .. } = self.description;
        if (parameters.len(), choices.len()) != (described.len(), possible.len()) {
            return Err(NetworkError::new(
                format!("neurons of the model `{name}`"),
                format!(
                    "have {} parameters and {} choices; allowed are {} and {}",
                    parameters.len(),
                    choices.len(),
                    described.len(),
                    possible.len()
                ),
            ));
        }
        for (choice, &option) in possible.iter().zip(choices) {
            if option >= choice.options.len() {
                return Err(NetworkError::new(
                    format!("neurons of the model `{name}`: {}", choice.name),
                    format!("is option {option}; allowed are {:?}", choice.options),
                ));
            }
        }
        Ok((self.make)(parameters, choices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_by_names_takes_what_is_given_and_defaults_and_refuses_what_it_does_not_know() {
        let leaky = BuiltIn::find("leaky").unwrap();
        let same = |value| PerNeuron::same(value).unwrap();
        let neuron = leaky.named([("leak", same(0.5)), ("threshold", same(2.0))], [("reset", "to")]).unwrap();
        let model = neuron.model().unwrap();
        let value = |name| model.parameter(name).unwrap().get(0);
        assert_eq!([value("leak"), value("threshold"), value("bias")], [0.5, 2.0, 0.0]);
        assert_eq!(model.choices(), [1]);
        let text = |result: Result<Neuron, NetworkError>| result.unwrap_err().to_string();
        let none: [(&str, &str); 0] = [];
        let unknown = text(leaky.named([("lek", same(0.5))], none));
        assert!(unknown.contains("no parameter `lek`") && unknown.contains("\"leak\""), "{unknown}");
        assert!(text(leaky.named([("leak", same(0.5)), ("leak", same(0.5))], none)).contains("twice"));
        assert!(text(leaky.named([], [("rest", "to")])).contains("no choice `rest`"));
        assert!(text(leaky.named([], [("reset", "too")])).contains("allowed are [\"subtract\", \"to\"]"));
        assert!(BuiltIn::find("leeky").unwrap_err().to_string().contains("\"leaky\""));
    }
}
