//! What a checkpoint is: its name, its positions, its objects.
//!
//! The manifest is written last. Its presence makes the checkpoint, and its own sum says that it
//! is whole.

use crate::shared::input_of;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;
use xxhash_rust::xxh3::xxh3_128;

/// What the paths of all checkpoints begin with.
pub(super) const FOLDER: &str = "checkpoints";
/// Name of a manifest in its checkpoint's folder.
const MANIFEST: &str = "manifest.json";
/// Version of the form of manifests and objects.
const FORMAT: u32 = 1;

/// Name of a checkpoint: when it was taken, in UTC, so that names sort by time:
/// `2023-11-14t22-13-20.000z`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckpointId(String);

/// A text is no name of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a checkpoint, such as 2023-11-14t22-13-20.000z")]
pub struct CheckpointIdError;

impl CheckpointId {
    /// The name of a checkpoint of this moment.
    pub(super) fn at(moment: IngestTime) -> Self {
        let ms = moment.0.max(0);
        let second = IngestTime(ms - ms % 1_000).to_string();
        let second = second
            .trim_end_matches('Z')
            .to_lowercase()
            .replace(':', "-");
        Self(format!("{second}.{:03}z", ms % 1_000))
    }

    /// The moment it is named after.
    fn moment(&self) -> Result<IngestTime, CheckpointIdError> {
        let (day, rest) = self.0.split_once('t').ok_or(CheckpointIdError)?;
        let text = format!("{day}T{}", rest.to_uppercase().replace('-', ":"));
        IngestTime::parse(&text).map_err(|_| CheckpointIdError)
    }

    /// A name of about `now` that comes after `newest`, also where the clock stood or went back.
    pub(super) fn after(newest: Option<&Self>, now: IngestTime) -> Self {
        let newest = newest.and_then(|newest| newest.moment().ok());
        Self::at(newest.map_or(now, |newest| now.max(newest.plus_ms(1))))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its manifest is.
    pub(super) fn manifest_path(&self) -> String {
        format!("{FOLDER}/{self}/{MANIFEST}")
    }

    /// Where an object of a state partition is.
    pub(super) fn object_path(&self, at: StatePartition, number: usize) -> String {
        let (space, partition) = (at.space.name(), at.partition.0);
        format!("{FOLDER}/{self}/{space}-{partition:02}-{number:04}.pairs")
    }

    /// The checkpoint whose folder a path is in, and whether it is the manifest.
    pub(super) fn of_path(path: &str) -> Option<(Self, bool)> {
        let rest = path.strip_prefix(FOLDER)?.strip_prefix('/')?;
        let (id, file) = rest.split_once('/')?;
        Some((id.parse().ok()?, file == MANIFEST))
    }
}

impl FromStr for CheckpointId {
    type Err = CheckpointIdError;

    fn from_str(text: &str) -> Result<Self, CheckpointIdError> {
        let id = Self(text.to_owned());
        match id.moment().map(Self::at) {
            Ok(same) if same == id => Ok(id),
            _ => Err(CheckpointIdError),
        }
    }
}

impl TryFrom<String> for CheckpointId {
    type Error = CheckpointIdError;

    fn try_from(text: String) -> Result<Self, CheckpointIdError> {
        text.parse()
    }
}

impl From<CheckpointId> for String {
    fn from(id: CheckpointId) -> Self {
        id.0
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the form.
    pub format: u32,
    /// Its name.
    pub id: CheckpointId,
    /// When it was taken, by the clock of the house.
    pub created_at: IngestTime,
    /// The release whose operators made the state.
    pub release: String,
    /// What tells its log from another one, where there is such a thing.
    pub log: Option<String>,
    /// Partitions of every space.
    pub partition_count: u16,
    /// Whether everything stood still: S = O = end of the input, everywhere, with nobody at work.
    /// New operator code may start here.
    pub at_rest: bool,
    /// Bytes that were written for it; the others were there before.
    pub bytes: u64,
    /// Every state partition.
    pub partitions: Vec<PartitionPoint>,
}

/// One state partition in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionPoint {
    /// The space's name.
    pub space: String,
    /// The partition.
    pub partition: u16,
    /// S: the next offset of its input that is not in the state.
    pub position: Offset,
    /// O, read after S: the engine had published up to here.
    pub published: Offset,
    /// What to apply, in this order.
    pub objects: Vec<ObjectPoint>,
}

/// One object of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPoint {
    /// Where it is; the folder may be that of an older checkpoint.
    pub path: String,
    /// 0 for everything there was, n for what changed in the n-th checkpoint after it.
    pub layer: usize,
    /// Keys in it, with a value or gone.
    pub pairs: u64,
    /// Its length.
    pub bytes: u64,
    /// XXH3 of its bytes, 128 bits in hexadecimal.
    pub checksum: String,
}

impl PartitionPoint {
    /// The state partition, where this release knows it.
    pub fn at(&self) -> Option<StatePartition> {
        let mut spaces = Space::ALL.into_iter();
        let space = spaces.find(|space| space.name() == self.space)?;
        let partition = Partition(self.partition);
        (self.partition < PARTITIONS).then_some(StatePartition { space, partition })
    }

    /// Checkpoints that its objects come from.
    pub(super) fn layers(&self) -> usize {
        self.objects.last().map_or(0, |last| last.layer + 1)
    }

    /// Bytes of the base, and of what was laid over it.
    pub(super) fn base_and_delta_bytes(&self) -> (u64, u64) {
        let sum = |is_base: bool| {
            let of = self
                .objects
                .iter()
                .filter(move |object| (object.layer == 0) == is_base);
            of.map(|object| object.bytes).sum()
        };
        (sum(true), sum(false))
    }
}

/// As it is stored: with its own sum.
#[derive(Serialize, Deserialize)]
struct Sealed<M> {
    checksum: String,
    manifest: M,
}

impl Manifest {
    /// A manifest of this moment, without partitions.
    pub(super) fn new(id: CheckpointId, created_at: IngestTime) -> Self {
        Self {
            format: FORMAT,
            id,
            created_at,
            release: String::new(),
            log: None,
            partition_count: PARTITIONS,
            at_rest: false,
            bytes: 0,
            partitions: Vec::new(),
        }
    }

    /// The point of a state partition.
    pub fn point(&self, at: StatePartition) -> Option<&PartitionPoint> {
        self.partitions.iter().find(|point| point.at() == Some(at))
    }

    /// Every object it needs.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectPoint> {
        self.partitions.iter().flat_map(|point| &point.objects)
    }

    /// First offset that a restore needs, by partition of an input topic.
    pub(super) fn needs(&self) -> BTreeMap<(Topic, Partition), Offset> {
        let mut needs = BTreeMap::new();
        for point in &self.partitions {
            if let Some(at) = point.at() {
                let place = (input_of(at.space), at.partition);
                let first = needs.entry(place).or_insert(point.position);
                *first = point.position.min(*first);
            }
        }
        needs
    }

    /// Its stored form.
    pub(super) fn encode(&self) -> Result<Vec<u8>, PortError> {
        let sealed = Sealed {
            checksum: self.sum()?,
            manifest: self,
        };
        serde_json::to_vec_pretty(&sealed).map_err(|error| self.unwritable(&error))
    }

    fn sum(&self) -> Result<String, PortError> {
        let bytes = serde_json::to_vec(self).map_err(|error| self.unwritable(&error))?;
        Ok(checksum(&bytes))
    }

    fn unwritable(&self, error: &serde_json::Error) -> PortError {
        PortError::Damaged {
            what: format!(
                "the manifest of checkpoint {}, not written yet: {error}",
                self.id
            ),
        }
    }

    /// Reads the stored form of the manifest of `id`.
    ///
    /// # Errors
    /// `Damaged`, with why.
    pub(super) fn decode(id: &CheckpointId, bytes: &[u8]) -> Result<Self, PortError> {
        let damaged = |why: String| PortError::Damaged {
            what: format!("checkpoint {id} ({why})"),
        };
        let sealed: Sealed<Self> =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let manifest = sealed.manifest;
        if manifest.sum()? != sealed.checksum {
            return Err(damaged(
                "its manifest does not have the sum it names".to_owned(),
            ));
        }
        if manifest.format != FORMAT {
            let format = manifest.format;
            return Err(damaged(format!(
                "its form is of version {format}, not {FORMAT}"
            )));
        }
        if manifest.id != *id {
            return Err(damaged(format!("its manifest is that of {}", manifest.id)));
        }
        let places: Option<BTreeSet<_>> =
            manifest.partitions.iter().map(PartitionPoint::at).collect();
        if places.is_none_or(|places| places.len() != manifest.partitions.len()) {
            return Err(damaged(
                "its partitions are not those of this release".to_owned(),
            ));
        }
        Ok(manifest)
    }
}

/// The sum of an object or manifest.
pub(super) fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CheckpointId {
        text.parse().unwrap()
    }

    #[test]
    fn names_sort_by_time_and_are_read_back() {
        let moments = [
            0,
            1,
            999,
            1_000,
            1_700_000_000_123,
            1_700_000_000_124,
            4_102_444_800_000,
        ];
        let ids = moments.map(|ms| CheckpointId::at(IngestTime(ms)));
        assert!(ids.is_sorted());
        for (ms, id) in moments.iter().zip(&ids) {
            assert_eq!(id.as_str().parse().as_ref(), Ok(id));
            assert_eq!(id.moment(), Ok(IngestTime(*ms)));
            vitrina_ports::snapshots::check_path(&id.manifest_path()).unwrap();
        }
        assert_eq!(ids[4].as_str(), "2023-11-14t22-13-20.123z");
        for text in [
            "",
            "t",
            "2023-11-14",
            "2023-11-14t22-13-20z",
            "2023-11-14T22-13-20.000z",
        ] {
            assert!(text.parse::<CheckpointId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_comes_after_the_newest_whatever_the_clock_says() {
        let newest = CheckpointId::at(IngestTime(5_000));
        for now in [0, 4_999, 5_000, 5_001] {
            assert!(
                CheckpointId::after(Some(&newest), IngestTime(now)) > newest,
                "{now}"
            );
        }
    }

    /// As version 1 wrote it: it must be read for ever.
    const FIXTURE: &str = r#"{"checksum":"7ff1c882110a337290cd33bc10a68a53","manifest":{"format":1,"id":"2023-11-14t22-13-20.123z","created_at":"2023-11-14T22:13:20.123Z","release":"0.1.0","log":null,"partition_count":32,"at_rest":false,"bytes":5,"partitions":[{"space":"users","partition":3,"position":17,"published":18,"objects":[{"path":"checkpoints/2023-11-14t22-13-20.123z/users-03-0000.pairs","layer":0,"pairs":1,"bytes":5,"checksum":"00"}]}]}}"#;

    #[test]
    fn what_version_1_wrote_is_read() {
        let id = id("2023-11-14t22-13-20.123z");
        let manifest = Manifest::decode(&id, FIXTURE.as_bytes()).unwrap();
        let point = &manifest.partitions[0];
        let path = id.object_path(point.at().unwrap(), 0);
        assert_eq!((point.position, point.published), (17, 18));
        assert_eq!(point.objects[0].path, path);
        assert_eq!(manifest.created_at, IngestTime(1_700_000_000_123));
    }

    #[test]
    fn a_manifest_with_any_byte_changed_is_refused() {
        let id = id("2023-11-14t22-13-20.123z");
        let mut manifest = Manifest::new(id.clone(), IngestTime(1_700_000_000_123));
        manifest.partitions.push(PartitionPoint {
            space: "users".to_owned(),
            partition: 3,
            position: 17,
            published: 18,
            objects: Vec::new(),
        });
        let bytes = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&id, &bytes).unwrap(), manifest);
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let read = Manifest::decode(&id, &changed);
            // Blanks between the tokens may change: what is read is the same then.
            assert!(
                read.is_err() || read.is_ok_and(|read| read == manifest),
                "at {place}"
            );
        }
        assert!(
            Manifest::decode(&id, &bytes[..bytes.len() - 1]).is_err(),
            "cut"
        );
    }
}
