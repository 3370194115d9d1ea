//! `vitrina config show`: every value and where it came from.

use super::field::FIELDS;
use super::load::{Loaded, place_of};
use crate::console::view::FactBlock;
use crate::ports::without_secrets;
use serde::Serialize;
use serde_json::Value;

/// One value.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The field.
    pub key: &'static str,
    /// Its value; secrets say only how many they are.
    pub value: Value,
    /// `default`, the file, `environment` or `command line`.
    pub from: String,
    /// What the field does.
    pub doc: &'static str,
}

impl Loaded {
    /// Every field as the console shows it.
    pub fn facts(&self) -> FactBlock {
        let fact = |one: Shown| {
            let value = one
                .value
                .as_str()
                .map_or_else(|| one.value.to_string(), str::to_owned);
            (one.key.to_owned(), value, one.from)
        };
        FactBlock {
            title: "Configuration".to_owned(),
            facts: self.shown().into_iter().map(fact).collect(),
        }
    }

    /// Every field in order.
    pub fn shown(&self) -> Vec<Shown> {
        let values = serde_json::to_value(&self.settings).unwrap_or_default();
        let show = |field: &super::field::Field| {
            let pointer = format!("/{}", field.key.replace('.', "/"));
            Shown {
                key: field.key,
                value: match values.pointer(&pointer) {
                    Some(Value::String(text)) => Value::String(without_secrets(text)),
                    value => value.cloned().unwrap_or_default(),
                },
                from: self
                    .layers
                    .find_metadata(field.key)
                    .map_or_else(|| "default".to_owned(), place_of),
                doc: field.doc,
            }
        };
        FIELDS.iter().map(show).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Flags, from_layers};
    use figment::providers::{Format, Toml};

    #[test]
    fn every_value_says_where_it_came_from() {
        let file = Toml::string("retention_days = 7\napi_keys = \"a-long-key\"");
        let flags = Flags::default().set("insecure", Some(true));
        let shown = from_layers(file, Toml::string(""), flags).unwrap().shown();
        let line = |key: &str| {
            let one = shown.iter().find(|one| one.key == key).unwrap();
            format!("{} from {}", one.value, one.from)
        };
        assert_eq!(line("listen"), "\"127.0.0.1:8000\" from default");
        assert_eq!(line("limits.request_timeout_ms"), "30000 from default");
        assert_eq!(line("retention_days"), "7 from TOML source string");
        assert_eq!(line("insecure"), "true from command line");
        assert_eq!(
            line("api_keys"),
            "\"(1 set, not shown)\" from TOML source string"
        );
        assert!(!format!("{shown:?}").contains("a-long-key"));
    }
}
