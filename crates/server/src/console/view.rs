//! What the pages show, as plain values.
//!
//! Nothing here is markup and nothing asks anybody: a page is a template over these values, so
//! it can be rendered in a test from fixed ones. Times are milliseconds since the epoch, texts
//! are as the shop wrote them (templates escape them).

use vitrina_types::time::EventTime;

/// A product as one line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Card {
    /// The shop's id.
    pub product_id: String,
    /// What a person reads, never empty.
    pub shown_as: String,
    /// Brand.
    pub brand: Option<String>,
    /// Category path, levels joined by dots.
    pub category: Option<String>,
    /// Price with its currency, `130.76 USD`.
    pub price: Option<String>,
}

impl Card {
    /// The id, where the text does not hold it already.
    pub fn id_apart(&self) -> Option<&str> {
        (!self.shown_as.contains(&self.product_id)).then_some(&self.product_id)
    }
}

/// A product in the list of popular ones.
#[derive(Debug, Clone, PartialEq)]
pub struct TopProduct {
    /// The product.
    pub card: Card,
    /// Decayed interest: a view is 1, it halves with the engine's half-life. Unitless.
    pub interest: f64,
}

/// An answer given lately, as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct SlateLine {
    /// The slate.
    pub slate_id: String,
    /// To whom; `None` for a visitor without an id.
    pub visitor_id: Option<String>,
    /// Where it was shown.
    pub placement: String,
    /// When.
    pub at: EventTime,
    /// What the first items are shown as.
    pub first: Vec<String>,
    /// How many items there are.
    pub items: usize,
}

/// A visitor: profile and history.
#[derive(Debug, Clone, PartialEq)]
pub struct Visitor {
    /// The id as asked for.
    pub id: String,
    /// Whether it is an anonymous id, not a user's.
    pub anonymous: bool,
    /// First event.
    pub first_seen: EventTime,
    /// Newest event.
    pub last_seen: EventTime,
    /// Sessions begun.
    pub sessions: u32,
    /// Events by kind, only kinds that happened.
    pub counters: Vec<(&'static str, u64)>,
    /// Money spent net of returns, `130.76 USD`, one per currency.
    pub spent: Vec<String>,
    /// Anonymous ids known to be this user.
    pub linked: Vec<String>,
    /// Whether an anonymous id was asked for that turned out to be a known user: all here is
    /// that user's.
    pub is_linked: bool,
    /// Products met, newest first.
    pub history: Vec<Meeting>,
}

impl Visitor {
    /// Events of all kinds.
    pub fn events(&self) -> u64 {
        self.counters.iter().map(|(_, count)| count).sum()
    }
}

/// One product of a visitor's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Meeting {
    /// The product.
    pub card: Card,
    /// The event kind, `add_to_cart`.
    pub kind: &'static str,
    /// When.
    pub at: EventTime,
    /// Whether a new session begins here, reading from old to new.
    pub opens_session: bool,
}

/// An answer for a visitor, given now.
#[derive(Debug, Clone, PartialEq)]
pub struct Slate {
    /// Its id, for "why".
    pub slate_id: String,
    /// Model generation, 0 when none took part.
    pub generation: u64,
    /// In order.
    pub items: Vec<SlateItem>,
}

/// One place of a slate.
#[derive(Debug, Clone, PartialEq)]
pub struct SlateItem {
    /// The product.
    pub card: Card,
    /// Final score, unitless.
    pub score: f64,
    /// The candidate source.
    pub source: String,
    /// Why, in words.
    pub reason: String,
}

/// The explanation of one slate.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The slate.
    pub slate_id: String,
    /// To whom.
    pub visitor_id: Option<String>,
    /// Where.
    pub placement: String,
    /// When.
    pub at: EventTime,
    /// Model generation, 0 when none took part.
    pub generation: u64,
    /// Whether all candidates are known. Older slates are kept without their trace: then only
    /// what was shown is here, with its final score.
    pub in_full: bool,
    /// Each source, the busiest first.
    pub sources: Vec<SourceTally>,
    /// What each filter removed, the busiest first.
    pub filters: Vec<FilterTally>,
    /// The names of the score parts, in the order of [`Candidate::parts`].
    pub part_names: Vec<String>,
    /// Every candidate that was scored, best final score first.
    pub scored: Vec<Candidate>,
}

impl Why {
    /// Candidates before filters: what was removed and what was scored.
    pub fn candidates(&self) -> usize {
        self.removed() + self.scored.len()
    }

    /// Candidates that filters removed.
    pub fn removed(&self) -> usize {
        self.filters.iter().map(|f| f.removed.len()).sum()
    }

    /// The final order: what was shown.
    pub fn shown(&self) -> Vec<&Candidate> {
        let mut shown: Vec<_> = self.scored.iter().filter(|c| c.place.is_some()).collect();
        shown.sort_by_key(|c| c.place);
        shown
    }

    /// What was scored and not shown, best first.
    pub fn passed_over(&self) -> Vec<&Candidate> {
        self.scored.iter().filter(|c| c.place.is_none()).collect()
    }

    /// The largest sum of positive parts, for the length of bars; above 0.
    pub fn bar_max(&self) -> f64 {
        let sums = self.scored.iter().map(Candidate::positive_sum);
        sums.fold(f64::MIN_POSITIVE, f64::max)
    }
}

/// What one source said.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceTally {
    /// The source.
    pub name: String,
    /// Candidates it proposed.
    pub proposed: usize,
    /// Of these, in the slate.
    pub shown: usize,
}

/// What one filter did.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterTally {
    /// The filter.
    pub name: String,
    /// What it removed.
    pub removed: Vec<Card>,
}

/// One scored candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The product.
    pub card: Card,
    /// Who proposed it, strongest first, with how strongly: 1 is a source's best proposal.
    pub sources: Vec<(String, f64)>,
    /// Why, in words.
    pub reason: String,
    /// The parts of the score, by [`Why::part_names`].
    pub parts: Vec<f64>,
    /// The score after blending.
    pub score: f64,
    /// Place by score alone, from 1.
    pub rank: usize,
    /// Place in the slate, from 1; `None` when not shown.
    pub place: Option<usize>,
}

impl Candidate {
    fn positive_sum(&self) -> f64 {
        self.parts.iter().filter(|part| **part > 0.0).sum()
    }

    /// The positive parts as segments of a bar of `width` units that stands for `max`: number of
    /// the part, start and length.
    pub fn segments(&self, max: f64, width: f64) -> Vec<(usize, f64, f64)> {
        let mut start = 0.0;
        let mut segments = Vec::new();
        for (n, part) in self.parts.iter().enumerate() {
            if *part > 0.0 {
                let length = part / max * width;
                segments.push((n, start, length));
                start += length;
            }
        }
        segments
    }

    /// How far the re-ranker moved it: positive is up; `None` when not moved or not shown.
    pub fn moved(&self) -> Option<i64> {
        let moved = self.rank as i64 - self.place? as i64;
        (moved != 0).then_some(moved)
    }
}

/// A product in the list of products.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductLine {
    /// The product.
    pub card: Card,
    /// Whether the catalogue has it; else it is known from events only.
    pub in_catalogue: bool,
    /// Pieces in stock, when the shop says.
    pub stock: Option<u32>,
    /// Whether it may be shown: available, in stock, not expired.
    pub offered: bool,
    /// Whether a ban on the product is in force.
    pub banned: bool,
    /// Whether a ban on its SKU is in force.
    pub sku_banned: bool,
    /// Last change in the catalogue.
    pub updated_at: Option<EventTime>,
}

/// A page of products.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProductList {
    /// In order of their ids.
    pub lines: Vec<ProductLine>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Whether the search stopped before the end of the catalogue.
    pub partial: bool,
}

/// A dead letter as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Its offset in `dead-letters`.
    pub offset: u64,
    /// When it was given up.
    pub at: EventTime,
    /// Where it came from.
    pub source: String,
    /// Stable code of the reason.
    pub code: String,
    /// The field at fault; empty when the whole input is.
    pub field: String,
    /// A sentence for a person.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The input as text, damaged characters replaced, cut to what a page can bear.
    pub text: String,
    /// Bytes of the whole input as kept.
    pub bytes: usize,
}

/// How the stream is doing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamStatus {
    /// The stages, in the order records flow through them.
    pub stages: Vec<StageLine>,
    /// Those who follow topics outside the stages.
    pub sinks: Vec<SinkLine>,
    /// What checkpoints come to, name and value; empty where none are taken.
    pub checkpoints: Vec<(String, String)>,
    /// The newest late events, newest first.
    pub late: Vec<LateLine>,
    /// Product rows of the last windows, the most viewed first.
    pub rows: Vec<RowLine>,
}

/// A stage as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct StageLine {
    /// Its name.
    pub name: String,
    /// The topic it reads.
    pub topic: String,
    /// Records waiting.
    pub lag: u64,
    /// How far its event time is behind the clock, `5.2 s`; `None` where it has none.
    pub delay: Option<String>,
    /// Windows and sessions that are open.
    pub open_windows: u64,
    /// Events that came after their window was closed, ever.
    pub late_events: u64,
}

/// A sink as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkLine {
    /// Its name.
    pub name: String,
    /// The topic it follows.
    pub topic: String,
    /// Records waiting.
    pub lag: u64,
}

/// A late event as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct LateLine {
    /// When it was taken in.
    pub at: EventTime,
    /// What the row it belongs to is about, `product`.
    pub dimension: &'static str,
    /// Which one.
    pub id: String,
    /// Begin of its window, `08:00`.
    pub window: String,
    /// What it was: `view`, `purchase`.
    pub kinds: String,
    /// How late, `3 min 20 s`.
    pub late: String,
}

/// A row of a product as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct RowLine {
    /// The product.
    pub card: Card,
    /// Begin and end of its window, `08:00–08:10`.
    pub window: String,
    /// Views.
    pub views: u64,
    /// Put into a cart.
    pub carts: u64,
    /// Purchases.
    pub purchases: u64,
    /// Visitors, estimated.
    pub visitors: u64,
    /// Money earned, `130.76 USD`, one per currency.
    pub revenue: String,
}

/// The state of the system.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SystemStatus {
    /// Whether it answers.
    pub ready: bool,
    /// Blocks of name and value: versions, storage, options.
    pub facts: Vec<FactBlock>,
    /// Consuming stages with their partitions.
    pub stages: Vec<Stage>,
}

/// A titled list of facts.
#[derive(Debug, Clone, PartialEq)]
pub struct FactBlock {
    /// Title.
    pub title: String,
    /// Name, value, and where the value comes from (empty when nothing needs saying).
    pub facts: Vec<(String, String, String)>,
}

/// A consuming stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name, `user-stage`.
    pub name: String,
    /// The topic it reads.
    pub topic: String,
    /// Its partitions, in order.
    pub partitions: Vec<StagePartition>,
}

impl Stage {
    /// Records waiting in all partitions.
    pub fn lag(&self) -> u64 {
        self.partitions.iter().map(StagePartition::lag).sum()
    }

    /// Records applied in all partitions, since the first.
    pub fn applied(&self) -> u64 {
        self.partitions.iter().map(|p| p.applied).sum()
    }
}

/// One partition of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StagePartition {
    /// The partition.
    pub partition: u16,
    /// First offset kept.
    pub start: u64,
    /// One past the newest record.
    pub end: u64,
    /// Outputs are published up to here; `None` before the first.
    pub published: Option<u64>,
    /// State stands here.
    pub applied: u64,
}

impl StagePartition {
    /// Records waiting.
    pub fn lag(&self) -> u64 {
        self.end.saturating_sub(self.applied)
    }
}
