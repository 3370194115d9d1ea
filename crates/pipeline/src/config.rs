//! What may be set about answers. Every default is written out here.

use vitrina_types::id::PlacementId;

/// One source in one placement.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// Name of the source, as in [`crate::sources::all`].
    pub name: Box<str>,
    /// Weight in the blend, unitless, at least 0; 0 switches the source off.
    pub weight: f32,
    /// Most candidates it may propose. When the limits of a placement sum to more than 300, all
    /// of them shrink in proportion.
    pub limit: usize,
}

/// How slates of one placement are made.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacementConfig {
    /// Name of the placement.
    pub name: Box<str>,
    /// Sources that take part; one that is not listed does not.
    pub sources: Vec<SourceConfig>,
    /// Weight of category and brand affinity in the blend, at least 0.
    pub affinity: f32,
    /// Weight of popularity in the blend, at least 0.
    pub popularity: f32,
    /// Weight of being new in the catalogue in the blend, at least 0.
    pub freshness: f32,
    /// Weight of a random number drawn from the query's seed, at least 0.
    pub exploration: f32,
    /// Share of its score that a product keeps when the visitor has just seen it, 0 to 1.
    pub seen_factor: f32,
    /// Whether products the visitor owns are left out.
    pub hide_purchased: bool,
    /// Whether products out of stock, unavailable or expired are left out.
    pub hide_out_of_stock: bool,
    /// Relevance against diversity, 0 (only diverse) to 1 (only relevant).
    pub diversity_lambda: f32,
    /// Largest share of the slate for one brand, above 0 to 1. Gives way when the slate would
    /// not fill.
    pub brand_share_max: f32,
    /// Largest share of the slate for one narrowest category, above 0 to 1. Gives way when the
    /// slate would not fill.
    pub category_share_max: f32,
}

/// Candidates from sources; the rest of [`CANDIDATES_MAX`](crate::candidate::CANDIDATES_MAX) is
/// room for filling up a slate.
pub(crate) const PROPOSALS_MAX: usize = 300;

/// Weight and limit of every source, in the order of [`crate::sources::all`].
type Mix = [(&'static str, f32, usize); 6];

impl PlacementConfig {
    fn new(name: &str, mix: Mix) -> Self {
        let source = |(name, weight, limit): (&str, f32, usize)| SourceConfig {
            name: name.into(),
            weight,
            limit,
        };
        Self {
            name: name.into(),
            sources: mix.into_iter().map(source).collect(),
            affinity: 0.35,
            popularity: 0.15,
            freshness: 0.05,
            exploration: 0.0,
            seen_factor: 0.4,
            hide_purchased: true,
            hide_out_of_stock: true,
            diversity_lambda: 0.75,
            brand_share_max: 0.4,
            category_share_max: 0.4,
        }
    }

    /// `home`, and the default for a placement nobody has set up: what the visitor came for, then
    /// what is near, popular and new.
    #[rustfmt::skip]
    pub fn home() -> Self {
        Self::new("home", [
            ("covisit", 1.0, 100), ("bought_together", 0.7, 30), ("category_popular", 0.5, 60),
            ("recently_viewed", 0.25, 20), ("popular", 0.25, 50), ("new_arrivals", 0.2, 30),
        ])
    }

    /// `product`: beside a product in view, for this visitor.
    #[rustfmt::skip]
    pub fn product() -> Self {
        Self {
            diversity_lambda: 0.85,
            brand_share_max: 0.6,
            category_share_max: 0.8,
            ..Self::new("product", [
                ("covisit", 1.0, 120), ("bought_together", 0.6, 40), ("category_popular", 0.4, 60),
                ("recently_viewed", 0.1, 10), ("popular", 0.1, 40), ("new_arrivals", 0.1, 20),
            ])
        }
    }

    /// `cart`: what goes with what is about to be bought.
    #[rustfmt::skip]
    pub fn cart() -> Self {
        Self {
            category_share_max: 0.3,
            ..Self::new("cart", [
                ("covisit", 0.5, 80), ("bought_together", 1.0, 100), ("category_popular", 0.2, 40),
                ("recently_viewed", 0.2, 20), ("popular", 0.2, 40), ("new_arrivals", 0.1, 20),
            ])
        }
    }

    /// `similar`: what is like the product in view, for anybody.
    #[rustfmt::skip]
    pub fn similar() -> Self {
        Self {
            popularity: 0.1,
            freshness: 0.02,
            hide_purchased: false,
            diversity_lambda: 0.9,
            brand_share_max: 0.7,
            category_share_max: 1.0,
            ..Self::new("similar", [
                ("covisit", 1.0, 60), ("bought_together", 0.2, 20), ("category_popular", 0.4, 40),
                ("recently_viewed", 0.0, 0), ("popular", 0.02, 20), ("new_arrivals", 0.0, 0),
            ])
        }
    }

    /// `bought_together`: what is bought with the product in view.
    #[rustfmt::skip]
    pub fn bought_together() -> Self {
        Self {
            affinity: 0.1,
            ..Self::new("bought_together", [
                ("covisit", 0.3, 60), ("bought_together", 1.0, 60), ("category_popular", 0.1, 30),
                ("recently_viewed", 0.0, 0), ("popular", 0.1, 30), ("new_arrivals", 0.0, 0),
            ])
        }
    }

    /// Weights and limits by place in [`crate::sources::all`].
    pub(crate) fn shares(&self) -> [SourceShare; crate::candidate::SOURCES_MAX] {
        let mut shares = [SourceShare::default(); crate::candidate::SOURCES_MAX];
        for source in self.sources.iter().filter(|source| source.weight > 0.0) {
            let place = crate::sources::all()
                .iter()
                .position(|s| s.name() == &*source.name);
            if let Some(share) = place.and_then(|place| shares.get_mut(place)) {
                share.weight = source.weight;
                share.limit = source.limit.min(PROPOSALS_MAX);
            }
        }
        let asked: usize = shares.iter().map(|share| share.limit).sum();
        if asked > PROPOSALS_MAX {
            for share in &mut shares {
                share.limit = share.limit * PROPOSALS_MAX / asked;
            }
        }
        shares
    }

    fn check(&self) -> Result<(), ConfigError> {
        let known = |name: &str| crate::sources::all().iter().any(|s| s.name() == name);
        if let Some(source) = self.sources.iter().find(|source| !known(&source.name)) {
            return Err(ConfigError::UnknownSource {
                placement: self.name.clone(),
                source: source.name.clone(),
            });
        }
        let wrong = |field| ConfigError::OutOfRange {
            placement: self.name.clone(),
            field,
        };
        let weights = [
            self.affinity,
            self.popularity,
            self.freshness,
            self.exploration,
        ];
        let weights = weights
            .into_iter()
            .chain(self.sources.iter().map(|s| s.weight));
        if !weights.into_iter().all(|w| (0.0..=1e6).contains(&w)) {
            return Err(wrong("weight"));
        }
        for (field, share) in [
            ("seen_factor", self.seen_factor),
            ("diversity_lambda", self.diversity_lambda),
            ("brand_share_max", self.brand_share_max),
            ("category_share_max", self.category_share_max),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(wrong(field));
            }
        }
        Ok(())
    }
}

/// A placement's share of one source.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct SourceShare {
    pub(crate) weight: f32,
    pub(crate) limit: usize,
}

/// A configuration cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// No source has this name.
    UnknownSource {
        /// The placement.
        placement: Box<str>,
        /// The name.
        source: Box<str>,
    },
    /// A number is outside the bounds in its documentation.
    OutOfRange {
        /// The placement, empty for a setting of all.
        placement: Box<str>,
        /// The field.
        field: &'static str,
    },
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownSource { placement, source } => {
                write!(
                    f,
                    "placement \"{placement}\" names an unknown source \"{source}\""
                )
            }
            Self::OutOfRange { placement, field } => {
                write!(f, "{field} of placement \"{placement}\" is out of range")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// How answers are made.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineConfig {
    /// Placements with settings of their own.
    pub placements: Vec<PlacementConfig>,
    /// For every other placement.
    pub default: PlacementConfig,
    /// Recent products of the visitor that are looked at, 1 to 100.
    pub recent_max: usize,
    /// After how many newer products a recent one counts half, above 0.
    pub recent_half_rank: f32,
    /// After how much time behind the newest interaction a recent product counts half,
    /// milliseconds, above 0.
    pub recent_half_life_ms: f64,
    /// Weight of the product in view beside the recent ones, where 1 is a view just now.
    pub in_view_weight: f32,
    /// How much a neighbour's own popularity counts against it, 0 (not at all) to 1.
    pub covisit_damping: f32,
    /// How many halvings below the most popular product popularity counts as none, above 0.
    pub popularity_range: f32,
    /// How long a product is new, milliseconds, above 0.
    pub new_for_ms: i64,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            placements: vec![
                PlacementConfig::home(),
                PlacementConfig::product(),
                PlacementConfig::cart(),
                PlacementConfig::similar(),
                PlacementConfig::bought_together(),
            ],
            default: PlacementConfig {
                name: "default".into(),
                ..PlacementConfig::home()
            },
            recent_max: 30,
            recent_half_rank: 6.0,
            recent_half_life_ms: 2.0 * 86_400_000.0,
            in_view_weight: 2.0,
            covisit_damping: 0.3,
            popularity_range: 12.0,
            new_for_ms: 14 * 86_400_000,
        }
    }
}

impl PipelineConfig {
    /// The settings of a placement; the default ones for an unknown placement.
    pub fn placement(&self, placement: &PlacementId) -> &PlacementConfig {
        let named = |p: &&PlacementConfig| &*p.name == placement.as_str();
        self.placements.iter().find(named).unwrap_or(&self.default)
    }

    /// Whether all of it can be meant.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.default.check()?;
        for placement in &self.placements {
            placement.check()?;
        }
        let checks = [
            ("recent_max", (1..=100).contains(&self.recent_max)),
            ("recent_half_rank", self.recent_half_rank > 0.0),
            ("recent_half_life_ms", self.recent_half_life_ms > 0.0),
            ("in_view_weight", (0.0..=1e6).contains(&self.in_view_weight)),
            (
                "covisit_damping",
                (0.0..=1.0).contains(&self.covisit_damping),
            ),
            ("popularity_range", self.popularity_range > 0.0),
            ("new_for_ms", self.new_for_ms > 0),
        ];
        let failed = checks.into_iter().find(|(_, holds)| !holds);
        failed.map_or(Ok(()), |(field, _)| {
            Err(ConfigError::OutOfRange {
                placement: "".into(),
                field,
            })
        })
    }
}
