//! What every command has at hand.

use super::args::Global;
use super::failure::Failure;
use super::out::Out;
use crate::config::{self, Flags, Loaded, Settings};
use crate::door::{Door, Need};

/// The common arguments and the way out.
pub(crate) struct Shell {
    pub(crate) common: Global,
    pub(crate) out: Out,
}

impl Shell {
    pub(crate) fn new(common: Global) -> Self {
        let out = Out::new(common.json);
        Self { common, out }
    }

    /// The configuration, with flags of this command on top.
    pub(crate) fn load(&self, flags: Flags) -> Result<Loaded, Failure> {
        let data_dir = self
            .common
            .data_dir
            .as_ref()
            .map(|dir| dir.display().to_string());
        let flags = flags.set("data_dir", data_dir);
        Ok(config::load(self.common.config.as_deref(), flags)?)
    }

    /// The values of the configuration.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Ok(self.load(Flags::default())?.settings)
    }

    /// The way to an engine: a running server, else the data directory.
    pub(crate) async fn door(&self, need: Need) -> Result<Door, Failure> {
        super::logging::quiet();
        let key = self.common.api_key.as_deref();
        if let Some(url) = &self.common.url {
            return Ok(Door::to_server(url, key)?);
        }
        Ok(Door::open(&self.settings()?, key, need).await?)
    }
}
