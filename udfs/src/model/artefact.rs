//! How do a model and all its groups lie in one immutable file?
//!
//! ```text
//! header    magic, format version, places and checksums of shared section and index, length, own checksum
//! shared    label, key columns, features with their dictionaries
//! blobs     one trained model after another, each a unit that is read alone
//! index     parent's place; then keys in byte order, each with blend weight, rows, place and checksum of its blob
//! ```
//!
//! A reader touches header, shared section and index once and blobs when a row needs them. Nothing in the file is
//! believed: each part has a checksum, each place is checked against the file's length, each count against its part.

use std::io::{Seek, SeekFrom, Write};

use super::bytes::{Reader, Writer, checksum};
use super::features::FeatureSet;
use super::group_key::KeyColumn;
use super::label::Label;
use crate::error::ModelError;

const MAGIC: &[u8; 8] = b"TARNMODL";
/// Newest artefact format that this program reads and the one that it writes.
pub const ARTEFACT_FORMAT: u32 = 1;
/// Length of the header, which holds the checksums of everything else.
pub const HEADER_BYTES: usize = 72;
/// Largest part that is read in one piece.
const PART_BYTES_MAX: u64 = 1 << 32;
/// Most columns of a group key.
const KEYS_MAX: usize = 64;

/// Random access to the bytes of an artefact.
pub trait ReadAt: Send + Sync {
    /// The whole length in bytes.
    fn length(&self) -> std::io::Result<u64>;

    /// Exactly `length` bytes from `offset`.
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>>;
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start
            .checked_add(length)
            .and_then(|end| self.get(start..end));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(unix)]
impl ReadAt for std::fs::File {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        std::os::unix::fs::FileExt::read_exact_at(self, &mut bytes, offset)?;
        Ok(bytes)
    }
}

/// What all groups of a model share.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// What is predicted.
    pub label: Label,
    /// Columns of the group key; empty for a model without groups.
    pub keys: Vec<KeyColumn>,
    /// Columns that every model sees.
    pub features: FeatureSet,
    /// How key columns become further model columns, after those of `features`; found by name among the keys. Inside a
    /// group they are constant, to the parent they tell the groups apart.
    pub key_features: FeatureSet,
}

impl Shared {
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.label.write(&mut writer);
        writer.u32(self.keys.len() as u32);
        for key in &self.keys {
            key.write(&mut writer);
        }
        self.features.write(&mut writer);
        self.key_features.write(&mut writer);
        writer.into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader::new(bytes);
        let label = Label::read(&mut reader)?;
        let count = reader.count(24)?;
        if count > KEYS_MAX {
            return Err(ModelError::damaged("too many key columns"));
        }
        let keys = (0..count)
            .map(|_| KeyColumn::read(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        let features = FeatureSet::read(&mut reader)?;
        let key_features = FeatureSet::read(&mut reader)?;
        let is_key = |name: &str| keys.iter().any(|key: &KeyColumn| key.name == name);
        if !key_features
            .columns
            .iter()
            .all(|column| is_key(&column.name))
        {
            return Err(ModelError::damaged("a key feature is not a key column"));
        }
        reader.finish()?;
        Ok(Self {
            label,
            keys,
            features,
            key_features,
        })
    }
}

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: u64,
    length: u64,
    checksum: u64,
}

impl Place {
    fn write(self, writer: &mut Writer) {
        writer.u64(self.offset);
        writer.u64(self.length);
        writer.u64(self.checksum);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            offset: reader.u64()?,
            length: reader.u64()?,
            checksum: reader.u64()?,
        })
    }

    /// Reads and verifies the bytes.
    fn load(self, file: &dyn ReadAt, file_length: u64) -> Result<Vec<u8>, ModelError> {
        let end = self
            .offset
            .checked_add(self.length)
            .filter(|end| *end <= file_length);
        if end.is_none() || self.length > PART_BYTES_MAX {
            return Err(ModelError::damaged("a part lies outside the file"));
        }
        let bytes = file.read_at(self.offset, self.length as usize)?;
        if checksum(&bytes) == self.checksum {
            Ok(bytes)
        } else {
            Err(ModelError::damaged("a checksum differs"))
        }
    }
}

/// What the index says of one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupEntry {
    /// Share of the group's own model in a prediction; the parent has the rest.
    pub own_weight: f64,
    /// Rows that trained the group.
    pub rows: u64,
    place: Place,
}

/// Writes an artefact, one group at a time: memory holds the index alone.
#[derive(Debug)]
pub struct ArtefactWriter<W: Write + Seek> {
    file: W,
    shared: Place,
    position: u64,
    entries: Vec<(Vec<u8>, GroupEntry)>,
}

impl<W: Write + Seek> ArtefactWriter<W> {
    /// Starts a file with its shared section.
    pub fn new(mut file: W, shared: &Shared) -> Result<Self, ModelError> {
        let bytes = shared.to_bytes();
        file.write_all(&[0; HEADER_BYTES])?;
        file.write_all(&bytes)?;
        let place = Place {
            offset: HEADER_BYTES as u64,
            length: bytes.len() as u64,
            checksum: checksum(&bytes),
        };
        Ok(Self {
            file,
            shared: place,
            position: (HEADER_BYTES + bytes.len()) as u64,
            entries: Vec::new(),
        })
    }

    fn append(&mut self, blob: &[u8]) -> Result<Place, ModelError> {
        self.file.write_all(blob)?;
        let place = Place {
            offset: self.position,
            length: blob.len() as u64,
            checksum: checksum(blob),
        };
        self.position += blob.len() as u64;
        Ok(place)
    }

    /// Appends the model of a group; each key once, in any order.
    pub fn group(
        &mut self,
        key: Vec<u8>,
        own_weight: f64,
        rows: u64,
        blob: &[u8],
    ) -> Result<(), ModelError> {
        let place = self.append(blob)?;
        self.entries.push((
            key,
            GroupEntry {
                own_weight,
                rows,
                place,
            },
        ));
        Ok(())
    }

    /// Appends the parent, which answers for groups without a model of their own, and closes the file.
    ///
    /// Returns the file and its length in bytes.
    pub fn finish(mut self, parent: &[u8]) -> Result<(W, u64), ModelError> {
        let parent = self.append(parent)?;
        self.entries.sort_by(|left, right| left.0.cmp(&right.0));
        let mut index = Writer::default();
        parent.write(&mut index);
        index.u32(self.entries.len() as u32);
        for (key, entry) in &self.entries {
            index.block(key);
            index.f64(entry.own_weight);
            index.u64(entry.rows);
            entry.place.write(&mut index);
        }
        let index = self.append(&index.into_bytes())?;
        let mut header = Writer::default();
        header.u32(ARTEFACT_FORMAT);
        header.u32(0);
        self.shared.write(&mut header);
        index.write(&mut header);
        let header = header.into_bytes();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(MAGIC)?;
        self.file.write_all(&header)?;
        self.file.write_all(&checksum(&header).to_le_bytes())?;
        self.file.flush()?;
        Ok((self.file, self.position))
    }
}

/// An opened artefact: shared section and index in memory, blobs in the file.
pub struct Artefact {
    file: std::sync::Arc<dyn ReadAt>,
    file_length: u64,
    shared: Shared,
    parent: Place,
    keys: Vec<Box<[u8]>>,
    entries: Vec<GroupEntry>,
}

impl std::fmt::Debug for Artefact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artefact")
            .field("bytes", &self.file_length)
            .field("groups", &self.keys.len())
            .finish()
    }
}

impl Artefact {
    /// Reads and verifies everything but the blobs.
    pub fn open(file: std::sync::Arc<dyn ReadAt>) -> Result<Self, ModelError> {
        let file_length = file.length()?;
        if file_length < HEADER_BYTES as u64 {
            return Err(ModelError::damaged("the file is shorter than a header"));
        }
        let header = file.read_at(0, HEADER_BYTES)?;
        if &header[..8] != MAGIC {
            return Err(ModelError::damaged("the file is not a model"));
        }
        let mut reader = Reader::new(&header[8..]);
        let format = reader.u32()?;
        if format > ARTEFACT_FORMAT {
            return Err(ModelError::NewerFormat {
                found: format,
                supported: ARTEFACT_FORMAT,
            });
        }
        reader.u32()?;
        let shared = Place::read(&mut reader)?;
        let index = Place::read(&mut reader)?;
        if reader.u64()? != checksum(&header[8..HEADER_BYTES - 8]) {
            return Err(ModelError::damaged("a checksum differs"));
        }
        let shared = Shared::from_bytes(&shared.load(file.as_ref(), file_length)?)?;
        let index = index.load(file.as_ref(), file_length)?;
        let (parent, keys, entries) = read_index(&index)?;
        Ok(Self {
            file,
            file_length,
            shared,
            parent,
            keys,
            entries,
        })
    }

    /// What all groups share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Number of groups with a model of their own.
    pub fn group_count(&self) -> usize {
        self.keys.len()
    }

    /// The group with this key, as a position that [`Artefact::entry`] and [`Artefact::blob`] take.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.keys
            .binary_search_by(|probe| probe.as_ref().cmp(key))
            .ok()
    }

    /// What the index says of a group.
    pub fn entry(&self, group: usize) -> Option<&GroupEntry> {
        self.entries.get(group)
    }

    /// The stored model of a group.
    pub fn blob(&self, group: usize) -> Result<Vec<u8>, ModelError> {
        let entry = self
            .entries
            .get(group)
            .ok_or_else(|| ModelError::damaged("no such group"))?;
        entry.place.load(self.file.as_ref(), self.file_length)
    }

    /// The stored parent model.
    pub fn parent_blob(&self) -> Result<Vec<u8>, ModelError> {
        self.parent.load(self.file.as_ref(), self.file_length)
    }

    /// Bytes of memory that shared section and index hold, roughly.
    pub fn memory_bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.len() + 16).sum();
        keys + self.entries.len() * size_of::<GroupEntry>() + self.shared.to_bytes().len() * 2
    }
}

type Index = (Place, Vec<Box<[u8]>>, Vec<GroupEntry>);

fn read_index(bytes: &[u8]) -> Result<Index, ModelError> {
    let mut reader = Reader::new(bytes);
    let parent = Place::read(&mut reader)?;
    let count = reader.count(48)?;
    let mut keys: Vec<Box<[u8]>> = Vec::with_capacity(count);
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let key: Box<[u8]> = reader.block()?.into();
        if keys.last().is_some_and(|last| *last >= key) {
            return Err(ModelError::damaged("the index is not in order"));
        }
        let own_weight = reader.finite()?;
        if !(0.0..=1.0).contains(&own_weight) {
            return Err(ModelError::damaged("a blend weight is not a share"));
        }
        let rows = reader.u64()?;
        entries.push(GroupEntry {
            own_weight,
            rows,
            place: Place::read(&mut reader)?,
        });
        keys.push(key);
    }
    reader.finish()?;
    Ok((parent, keys, entries))
}
