//! What is open: how far upstream is, sums not told yet, rows and sessions.

use super::rows::{START, all_measures, measures, progress, upstream, window};
use vitrina_types::state::{Facets, GatherState, OpenSession, OpenSessions, PartialCell, RowCell};

pub(crate) fn gather_states() -> Vec<GatherState> {
    let told = GatherState {
        tasks: vec![upstream(), upstream()],
        told: progress(),
        reached: progress(),
    };
    vec![GatherState::default(), told]
}

pub(crate) fn partial_cells() -> Vec<PartialCell> {
    let facets = Facets {
        category_path: vec!["electronics".into(), "smartphone".into()],
        brand: Some("Рога и копыта".into()),
    };
    let facets = [None, Some(Facets::default()), Some(facets)];
    let cells = all_measures().into_iter().zip(facets);
    cells
        .map(|(measures, facets)| PartialCell {
            measures,
            facets: facets.map(Box::new),
        })
        .collect()
}

pub(crate) fn row_cells() -> Vec<RowCell> {
    let open = RowCell {
        measures: measures(2),
        part: u64::MAX,
        pane: 7,
        is_told: true,
    };
    vec![RowCell::default(), open]
}

pub(crate) fn open_sessions() -> Vec<OpenSessions> {
    let session = |part| OpenSession {
        window: window(90_001),
        part,
        told: 3,
        measures: measures(0),
    };
    vec![
        OpenSessions::default(),
        OpenSessions(vec![session(0), session(START.0 as u64)].into()),
    ]
}
