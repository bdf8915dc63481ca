use serde::Serialize;

/// The machine that something was made on, as far as times may depend on it; nothing that tells whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What the processor calls itself; none where the system has no file that says it.
    pub processor: Option<String>,
    /// Processors that this process may use at the same time.
    pub cores: usize,
    /// The operating system: `linux`, `macos`, `windows` …
    pub system: &'static str,
    /// The architecture that the program was compiled for: `x86_64`, `aarch64` …
    pub architecture: &'static str,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        // Of Linux, where it is a file like any other.
        let described = std::fs::read_to_string("/proc/cpuinfo").ok();
        Self {
            processor: described.as_deref().and_then(processor),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
        }
    }
}

/// The name of the first processor that the text of `/proc/cpuinfo` describes.
fn processor(text: &str) -> Option<String> {
    // As x86, and as some ARM, POWER and MIPS kernels have it.
    let keys = ["model name", "Model", "cpu", "cpu model"];
    let value = |key: &str| {
        let mut entries = text.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = entries.find(|(found, _)| found.trim_end() == key)?;
        let words: Vec<&str> = value.split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    keys.into_iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_called_as_it_calls_itself() {
        let intel = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R)  Platinum 8481C\n";
        assert_eq!(processor(intel).as_deref(), Some("Intel(R) Xeon(R) Platinum 8481C"));
        let board = "processor\t: 0\nBogoMIPS\t: 108.00\n\nRevision\t: c03115\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n";
        assert_eq!(processor(board).as_deref(), Some("Raspberry Pi 4 Model B Rev 1.5"));
        assert_eq!(processor("processor\t: 0\nmodel name\t:  \n"), None);
        assert_eq!(processor(""), None);
    }

    #[test]
    fn this_machine_tells_no_more_than_what_it_is_like() {
        let told = serde_json::to_value(Machine::this()).unwrap();
        let names: Vec<&String> = told.as_object().unwrap().keys().collect();
        assert_eq!(names, ["architecture", "cores", "processor", "system"]);
        assert!(told["cores"].as_u64().unwrap() > 0);
    }
}
