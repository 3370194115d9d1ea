//! Why a command failed, and what to do about it.

use crate::client::ClientError;
use crate::config::SettingsError;
use crate::import::ImportError;
use crate::ports::OpenError;
use std::io;
use vitrina_engine::EngineError;

/// A command could not do what was asked.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    wrong_use: bool,
}

impl Failure {
    /// It did not work.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            wrong_use: false,
        }
    }

    /// It was asked wrongly.
    pub fn wrong_use(message: impl Into<String>) -> Self {
        Self {
            wrong_use: true,
            ..Self::new(message)
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        if self.wrong_use { 2 } else { 1 }
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::wrong_use(error.to_string()).hint("`vitrina config show` lists every key")
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            ClientError::Refused {
                status: 401 | 403, ..
            } => failure.hint("give an API key with --api-key or VITRINA_API_KEY"),
            ClientError::Address(_) => Self {
                wrong_use: true,
                ..failure
            },
            _ => failure,
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let failure = Self::new(error.to_string());
        match error.advice() {
            Some(advice) => failure.hint(advice),
            None => failure,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Client(error) => error.into(),
            ImportError::UnknownFormat { .. } => Self::wrong_use(error.to_string()),
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format!("unexpected JSON: {error}"))
    }
}
