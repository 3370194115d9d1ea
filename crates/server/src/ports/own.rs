//! What the one process that does the chores keeps in its data directory, while log and state
//! are shared.

use crate::config::Settings;
use std::sync::Arc;
use vitrina_embedded::analytics::{AnalyticsOptions, EmbeddedAnalytics};
use vitrina_embedded::catalogue::EmbeddedCatalogue;
use vitrina_embedded::slates::EmbeddedSlates;
use vitrina_embedded::state::{EmbeddedState, StateOptions};
use vitrina_ports::PortError;
use vitrina_ports::analytics::AnalyticsStore;
use vitrina_ports::catalogue::Catalogue;
use vitrina_ports::slates::SlateStore;

/// Catalogue, slates and window rows of one data directory.
pub(super) struct OwnStores {
    catalogue: Arc<EmbeddedCatalogue>,
    /// Holds no state, only the slates.
    state: EmbeddedState,
    slates: Arc<EmbeddedSlates>,
    analytics: Arc<EmbeddedAnalytics>,
    repairs: Vec<String>,
}

impl OwnStores {
    /// Opens them. Blocking.
    ///
    /// # Errors
    /// As the stores.
    pub(super) fn open(settings: &Settings) -> Result<Self, PortError> {
        let dir = &settings.data_dir;
        let reserve_bytes = settings.disk_reserve_bytes / 2;
        let catalogue = EmbeddedCatalogue::open(dir, settings.disk_reserve_bytes)?;
        // What a shared log acknowledged needs no barrier: it is durable.
        let state = StateOptions {
            reserve_bytes,
            ..StateOptions::new(Box::new(|| Ok(())))
        };
        let state = EmbeddedState::open(dir, state)?;
        let analytics = AnalyticsOptions {
            reserve_bytes,
            ..AnalyticsOptions::new(Box::new(|| Ok(())))
        };
        let analytics = EmbeddedAnalytics::open(dir, analytics)?;
        let mut repairs = Vec::new();
        if analytics.rebuilt() {
            repairs.push(super::ROWS_REBUILT.to_owned());
        }
        Ok(Self {
            catalogue: Arc::new(catalogue),
            slates: Arc::new(state.slates()),
            state,
            analytics: Arc::new(analytics),
            repairs,
        })
    }

    pub(super) fn catalogue(&self) -> Arc<dyn Catalogue> {
        Arc::clone(&self.catalogue) as _
    }

    pub(super) fn slates(&self) -> Arc<dyn SlateStore> {
        Arc::clone(&self.slates) as _
    }

    pub(super) fn analytics(&self) -> Arc<dyn AnalyticsStore> {
        Arc::clone(&self.analytics) as _
    }

    pub(super) fn repairs(&self) -> &[String] {
        &self.repairs
    }

    pub(super) fn flush(&self) -> Result<(), PortError> {
        // Each for itself: what waits in one must not stay there because another is broken.
        let slates = self.state.flush().map(|_| ());
        slates.and(self.analytics.flush())
    }

    pub(super) fn heal(&self) -> Result<(), PortError> {
        let catalogue = match self.catalogue.needs_reopen() {
            true => self.catalogue.reopen(),
            false => Ok(()),
        };
        let analytics = match self.analytics.needs_reopen() {
            true => self.analytics.reopen(),
            false => Ok(()),
        };
        let slates = match self.state.needs_reopen() {
            true => self.state.reopen().map(|_| ()),
            false => Ok(()),
        };
        catalogue.and(analytics).and(slates)
    }

    pub(super) fn close(&self) -> Result<(), PortError> {
        let slates = self.state.close();
        let analytics = self.analytics.close();
        slates.and(analytics).and(self.catalogue.close())
    }
}
