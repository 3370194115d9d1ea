//! Layers, refusals and where values come from.

use super::*;
use figment::providers::{Format, Toml};

fn toml(text: &str) -> Result<Loaded, SettingsError> {
    from_layers(Toml::string(text), Toml::string(""), Flags::default())
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(toml("").unwrap().settings, Settings::default());
}

#[test]
fn a_later_layer_wins() {
    let file = Toml::string(
        "listen = \"127.0.0.1:1\"\nretention_days = 7\ninsecure = true\n[limits]\nrequest_timeout_ms = 5000\n",
    );
    let env = Toml::string("listen = \"127.0.0.1:2\"\nretention_days = 8");
    let flags = Flags::default()
        .set("listen", Some("127.0.0.1:3"))
        .set("log", None::<String>);
    let settings = from_layers(file, env, flags).unwrap().settings;
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.retention_days, 8);
    assert!(settings.insecure);
    assert_eq!(settings.limits.request_timeout_ms, 5_000);
    assert_eq!(settings.limits.waiting_events_max, 1_000_000);
}

#[test]
fn refusals() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("unknown",        "lisen = \"x\"",                  "unknown key \"lisen\" in TOML source string; did you mean \"listen\"?"),
        ("unknown deeper", "[limits]\nrequest_timeout = 1", "unknown key \"limits.request_timeout\" in TOML source string; did you mean \"limits.request_timeout_ms\"?"),
        ("nothing near",   "colour = 1",                     "unknown key \"colour\" in TOML source string"),
        ("no address",     "listen = \"here\"",              "listen in TOML source string: invalid socket address syntax"),
        ("wrong type",     "retention_days = \"long\"",      "retention_days in TOML source string: invalid type: found string \"long\", expected u64"),
        ("too small",      "retention_days = 0",             "retention_days is 0, it lies between 1 and 3650: how long the event log is kept, in days"),
        ("short key",      "api_keys = \"abc\"",             "api_keys in TOML source string: a key has at least 8 bytes"),
    ];
    for (name, text, want) in cases {
        let error = toml(text).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(*want), "{name}");
    }
}

#[test]
fn the_list_of_fields_is_the_settings() {
    let values = serde_json::to_value(Settings::default()).unwrap();
    let mut keys = Vec::new();
    flatten("", &values, &mut keys);
    let mut known: Vec<_> = FIELDS.iter().map(|field| field.key.to_owned()).collect();
    keys.sort();
    known.sort();
    assert_eq!(keys, known);
}

fn flatten(prefix: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, keys);
            }
        }
        _ => keys.push(prefix.to_owned()),
    }
}
