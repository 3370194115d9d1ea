//! Putting the layers together, and refusing what does not fit.

use super::field::FIELDS;
use super::nearest::nearest;
use super::settings::Settings;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Metadata, Profile, Provider};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The file that is read when no other is named and it is there.
pub const FILE: &str = "vitrina.toml";
/// What the names of environment variables begin with.
pub const PREFIX: &str = "VITRINA_";
/// Variables with our prefix that are not fields.
const NOT_FIELDS: &[&str] = &["config", "api_key", "url", "without_services"];
/// What the rest of a variable begins with that is for the project's own tests.
const OF_TESTS: &str = "test_";

/// What was given on the command line, by the names of fields.
#[derive(Debug, Clone, Default)]
pub struct Flags(Map<String, Value>);

impl Flags {
    /// Sets a field, when there is a value.
    #[must_use]
    pub fn set(mut self, key: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }
}

/// The configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file named on the command line is not there.
    #[error("there is no configuration file {0}")]
    NoFile(PathBuf),
    /// A key nobody knows.
    #[error("unknown key \"{key}\" in {place}{}", hint(.nearest.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was found.
        place: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A value of the wrong kind.
    #[error("{key} in {place}: {detail}")]
    Value {
        /// The key.
        key: String,
        /// Where it was found.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// A number outside its bounds.
    #[error("{key} is {value}, it lies between {min} and {max}: {doc}")]
    Bounds {
        /// The key.
        key: &'static str,
        /// Its value.
        value: u64,
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// What it is.
        doc: &'static str,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean \"{name}\"?"))
        .unwrap_or_default()
}

/// The configuration, and where each value came from.
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    pub(super) layers: Figment,
}

/// Loads the configuration. `file` is the one named on the command line; without it
/// `vitrina.toml` in the working directory is read, if it is there.
///
/// # Errors
/// [`SettingsError`], in words for whoever wrote the configuration.
pub fn load(file: Option<&Path>, flags: Flags) -> Result<Loaded, SettingsError> {
    if let Some(file) = file.filter(|file| !file.is_file()) {
        return Err(SettingsError::NoFile(file.to_owned()));
    }
    let file = file.or_else(|| Some(Path::new(FILE)).filter(|file| file.is_file()));
    let toml = file.map_or_else(|| Toml::string(""), Toml::file_exact);
    let env = Env::prefixed(PREFIX)
        .ignore(NOT_FIELDS)
        .filter(|key| !key.as_str().to_ascii_lowercase().starts_with(OF_TESTS))
        .split("__");
    from_layers(toml, env, flags)
}

/// Lays the layers over the defaults.
///
/// # Errors
/// As [`load`].
pub(super) fn from_layers(
    file: impl Provider,
    env: impl Provider,
    flags: Flags,
) -> Result<Loaded, SettingsError> {
    let layers = Figment::from(Serialized::defaults(Settings::default()))
        .merge(file)
        .merge(env)
        .merge(FlagLayer(Serialized::from(flags.0, Profile::Default)));
    let settings: Settings = layers.extract().map_err(|error| explain(&error))?;
    check_bounds(&settings)?;
    Ok(Loaded { settings, layers })
}

/// The flags as a layer with a name of its own.
struct FlagLayer(Serialized<Map<String, Value>>);

impl Provider for FlagLayer {
    fn metadata(&self) -> Metadata {
        Metadata::named("command line")
    }

    fn data(&self) -> figment::error::Result<figment::value::Map<Profile, figment::value::Dict>> {
        self.0.data()
    }
}

/// Turns figment's first error into ours.
fn explain(error: &figment::Error) -> SettingsError {
    let place = error
        .metadata
        .as_ref()
        .map_or_else(|| "the configuration".to_owned(), place_of);
    let path = error.path.join(".");
    if let figment::error::Kind::UnknownField(name, _) = &error.kind {
        // The path may or may not end in the name already.
        let key = match error.path.last() {
            Some(last) if last == name => path,
            Some(_) => format!("{path}.{name}"),
            None => name.clone(),
        };
        let known = FIELDS.iter().map(|field| field.key);
        let nearest = nearest(&key, known).map(str::to_owned);
        return SettingsError::UnknownKey {
            key,
            place,
            nearest,
        };
    }
    SettingsError::Value {
        key: if path.is_empty() {
            "a value".to_owned()
        } else {
            path
        },
        place,
        detail: error.kind.to_string().trim().to_owned(),
    }
}

/// Where a value came from, in words.
pub(super) fn place_of(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        _ if metadata.name.contains("environment") => "environment".to_owned(),
        _ if metadata.name == "command line" => "command line".to_owned(),
        _ if metadata.name.contains("Settings") => "default".to_owned(),
        _ => metadata.name.to_string(),
    }
}

fn check_bounds(settings: &Settings) -> Result<(), SettingsError> {
    let values = serde_json::to_value(settings).unwrap_or_default();
    for field in FIELDS {
        let (Some((min, max)), Some(value)) = (field.bounds, number_at(&values, field.key)) else {
            continue;
        };
        if !(min..=max).contains(&value) {
            return Err(SettingsError::Bounds {
                key: field.key,
                value,
                min,
                max,
                doc: field.doc,
            });
        }
    }
    Ok(())
}

fn number_at(values: &Value, key: &str) -> Option<u64> {
    let pointer = format!("/{}", key.replace('.', "/"));
    values.pointer(&pointer)?.as_u64()
}

#[cfg(test)]
mod tests;
