use std::str::FromStr;

/// When a sample may end before its last step: at the first point, after the read-out has begun, at which this holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// The largest output exceeds all others by so much, in their unit where the network states one, else per step.
    Margin(f64),
    /// The softmax of the largest output is at least this, a probability. Only outputs in the unit of the trained net have one.
    Confidence(f64),
    /// Nothing will ever happen again.
    Quiet,
}

/// Why a text is no rule for an early end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no rule for an early end; allowed are margin=M with M at least 0, confidence=P with P from 0 to 1, and quiet"
)]
pub struct StopError(String);

impl FromStr for Stop {
    type Err = StopError;

    fn from_str(text: &str) -> Result<Self, StopError> {
        let refused = || StopError(text.to_owned());
        let number = |text: &str| text.parse::<f64>().map_err(|_| refused());
        let rule = match text.split_once('=') {
            None if text == "quiet" => Self::Quiet,
            Some(("margin", value)) => Self::Margin(number(value)?),
            Some(("confidence", value)) => Self::Confidence(number(value)?),
            _ => return Err(refused()),
        };
        let allowed = match rule {
            Self::Margin(margin) => margin >= 0.0 && margin.is_finite(),
            Self::Confidence(share) => (0.0..=1.0).contains(&share),
            Self::Quiet => true,
        };
        if allowed { Ok(rule) } else { Err(refused()) }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Margin(margin) => write!(f, "margin={margin}"),
            Self::Confidence(share) => write!(f, "confidence={share}"),
            Self::Quiet => f.write_str("quiet"),
        }
    }
}

impl serde::Serialize for Stop {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written_and_others_are_refused() {
        for text in ["margin=0.5", "confidence=0.99", "quiet"] {
            assert_eq!(text.parse::<Stop>().unwrap().to_string(), text);
        }
        for text in ["margin", "margin=-1", "margin=nan", "confidence=1.5", "quiet=1", "silent", ""] {
            assert!(text.parse::<Stop>().unwrap_err().to_string().contains("allowed are"), "{text}");
        }
    }
}
