//! How is a whole state written down, so that opening need not replay the log from its start?

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::CatalogError;
use crate::state::entry::{FORMAT_VERSION, check_format};
use crate::state::{Intent, Model, Relation, RoleSettings, Schema, SequencePosition, State};

/// A snapshot as it is stored: lists, because JSON has no pairs as keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    format_version: u32,
    seq: u64,
    next_oid: u32,
    schemas: Vec<Schema>,
    relations: Vec<Relation>,
    models: Vec<Model>,
    sequences: BTreeMap<Uuid, SequencePosition>,
    intents: Vec<Intent>,
    changed_seq: Vec<(u32, u64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    role_settings: RoleSettings,
}

fn owned<T: Clone>(values: impl Iterator<Item = impl AsRef<T>>) -> Vec<T> {
    values.map(|value| value.as_ref().clone()).collect()
}

impl State {
    /// The bytes of a snapshot.
    pub fn encode(&self) -> Result<Vec<u8>, CatalogError> {
        let image = Image {
            format_version: FORMAT_VERSION,
            seq: self.seq,
            next_oid: self.next_oid,
            schemas: owned(self.schemas.values()),
            relations: owned(self.relations.values()),
            models: owned(self.models.values()),
            sequences: self.sequences.clone(),
            intents: owned(self.intents.values()),
            changed_seq: self
                .changed_seq
                .iter()
                .map(|(oid, seq)| (*oid, *seq))
                .collect(),
            role_settings: self.role_settings.clone(),
        };
        serde_json::to_vec(&image).map_err(|error| CatalogError::Corrupt {
            what: "new snapshot".to_string(),
            detail: error.to_string(),
        })
    }

    /// Reads what [`State::encode`] wrote; `seq` is where it was found.
    pub fn decode(seq: u64, bytes: &[u8]) -> Result<State, CatalogError> {
        let what = || format!("catalog snapshot {seq}");
        check_format(what, bytes)?;
        let image: Image =
            serde_json::from_slice(bytes).map_err(|error| CatalogError::Corrupt {
                what: what(),
                detail: error.to_string(),
            })?;
        if image.seq != seq {
            let detail = format!("it says that it is snapshot {}", image.seq);
            return Err(CatalogError::Corrupt {
                what: what(),
                detail,
            });
        }
        Ok(image.into_state())
    }
}

impl Image {
    fn into_state(self) -> State {
        let mut state = State {
            seq: self.seq,
            schemas: self
                .schemas
                .into_iter()
                .map(|schema| (schema.name.clone(), Arc::new(schema)))
                .collect(),
            sequences: self.sequences,
            intents: self
                .intents
                .into_iter()
                .map(|intent| (intent.id, Arc::new(intent)))
                .collect(),
            changed_seq: self.changed_seq.into_iter().collect(),
            next_oid: self.next_oid,
            role_settings: self.role_settings,
            ..State::initial()
        };
        self.relations
            .into_iter()
            .for_each(|relation| state.put_relation(relation));
        self.models
            .into_iter()
            .for_each(|model| state.put_model(model));
        state
    }
}
