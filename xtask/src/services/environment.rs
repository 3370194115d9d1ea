//! The variables that tests find services by, and the file that keeps them: `target/services/env`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Tests that need a service skip themselves under it, and fail without it.
pub const WITHOUT: &str = "VITRINA_WITHOUT_SERVICES";

const FILE: &str = "env";

/// Variables by name.
pub type Environment = BTreeMap<String, String>;

/// Writes the file, or removes it when there is nothing to say.
pub(super) fn write(services: &Path, environment: &Environment) -> Result<()> {
    let file = services.join(FILE);
    if !environment.is_empty() {
        return std::fs::write(&file, lines(environment))
            .with_context(|| file.display().to_string());
    }
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| file.display().to_string())
        }
        _ => Ok(()),
    }
}

/// One line a variable, as a shell reads them.
fn lines(environment: &Environment) -> String {
    let mut out = String::new();
    for (name, value) in environment {
        out.push_str(&format!("{name}={value}\n"));
    }
    out
}

/// A variable of ours from outside; an empty one is none.
pub(super) fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_a_line_for_each_variable_and_goes_with_the_last() {
        let services = tempfile::tempdir().unwrap();
        let mut environment = Environment::new();
        environment.insert(
            "VITRINA_TEST_REDIS".to_owned(),
            "redis://127.0.0.1:2".to_owned(),
        );
        environment.insert("VITRINA_TEST_KAFKA".to_owned(), "127.0.0.1:1".to_owned());
        write(services.path(), &environment).unwrap();
        let file = services.path().join("env");
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "VITRINA_TEST_KAFKA=127.0.0.1:1\nVITRINA_TEST_REDIS=redis://127.0.0.1:2\n"
        );
        write(services.path(), &Environment::new()).unwrap();
        assert!(!file.exists());
        write(services.path(), &Environment::new()).unwrap();
    }
}
