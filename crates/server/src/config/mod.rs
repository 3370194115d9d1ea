//! Configuration: compiled-in defaults, then `vitrina.toml`, then `VITRINA_…`, then flags.
//!
//! Every field is one line of [`field::FIELDS`], with its unit, its bounds and what it does; a
//! key that is not there is refused with the nearest name that is. Secrets are read and never
//! shown.

pub mod field;
pub mod load;
pub mod nearest;
pub mod secret;
pub mod settings;
pub mod show;

pub use load::{Flags, Loaded, SettingsError, load};
pub use secret::{Secret, Secrets};
pub use settings::{LogFormat, Settings};
