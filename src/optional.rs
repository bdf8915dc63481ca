//! Flags that are given together, or not at all.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// The flags of `A`, if one of them is given; then those that `A` requires are required.
pub struct Optional<A>(pub Option<A>);

impl<A: Args> FromArgMatches for Optional<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = A::augment_args(Command::new("flags"));
        flags.build();
        let given =
            |flag: &&Arg| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
        if !flags.get_arguments().any(|flag| given(&flag)) {
            return Ok(Self(None));
        }
        let missing: String = flags
            .get_arguments()
            .filter(|flag| flag.is_required_set() && !given(flag))
            .map(|flag| format!("  {flag}\n"))
            .collect();
        if !missing.is_empty() {
            let what = format!("the following required arguments were not provided:\n{missing}");
            return Err(Error::raw(ErrorKind::MissingRequiredArgument, what));
        }
        Ok(Self(Some(A::from_arg_matches(matches)?)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<A: Args> Args for Optional<A> {
    fn augment_args(command: Command) -> Command {
        // The same flags, none of them required.
        A::augment_args_for_update(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(command)
    }
}
