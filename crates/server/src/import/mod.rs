//! Reading files of events and products, and bringing them into the engine.
//!
//! The readers are pure: bytes in, rows out, and with every row the position in the uncompressed
//! stream after it. Nothing here decides what an event may hold; that is `vitrina_types::event`.
//! The one law: the same file gives the same rows, positions and event ids, every time, so an
//! import can stop anywhere and go on, and a file imported twice counts once.

pub mod batch;
pub mod columns;
pub mod fingerprint;
pub mod format;
pub mod jsonl;
pub mod online_retail;
pub mod open;
pub mod products;
pub mod reader;
pub mod records;
pub mod rees46;
pub mod report;
pub mod run;
pub mod target;
pub mod text_time;
pub mod wire;

pub use fingerprint::Fingerprint;
pub use format::{EventFormat, ProductFormat};
pub use open::Input;
pub use reader::{EventReader, ProductReader, ReadError, Row, RowOutcome};
pub use report::Report;
pub use run::{ImportError, import_events, import_products};
pub use target::Target;
