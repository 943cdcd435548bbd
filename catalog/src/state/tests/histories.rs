//! Whatever sessions ask for, in whatever order: does the log always tell the whole truth?

use uuid::Uuid;

use super::{
    Random, foreign_key, invariants, model, relation, schema, sequence_kind, table_kind, version,
    view_kind,
};
use crate::error::CatalogError;
use crate::state::{
    CommentTarget, DropBehavior, Intent, IntentTable, ModelRef, ObjectId, Op, Relation,
    RelationKind, RelationRef, State, TableOptions,
};
use crate::store::MetaStore;
use crate::store::memory::MemoryStore;
use crate::store::replica::{Proposal, Replica};
use crate::store::sqlite::SqliteStore;
use crate::test_dir::TestDir;

const SCHEMAS: [&str; 4] = ["public", "ml", "s1", "s2"];
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A session that looked at `seen`, which may be old, and asks for something that may be nonsense.
struct Session<'a> {
    seen: &'a State,
    random: &'a mut Random,
}

impl Session<'_> {
    fn ops(&mut self) -> Vec<Op> {
        let count = if self.random.below(4) == 0 {
            1 + self.random.below(3)
        } else {
            1
        };
        (0..count).map(|index| self.op(index as u32)).collect()
    }

    fn op(&mut self, index: u32) -> Op {
        let oid = self.seen.next_oid + index;
        match self.random.below(21) {
            0 => Op::CreateSchema {
                schema: schema(oid, self.name(&SCHEMAS)),
            },
            1 => self.drop_schema(),
            2..=5 => Op::CreateRelation {
                relation: self.new_relation(oid),
            },
            6 => Op::ReplaceRelation {
                relation: self.replacement(),
            },
            7 => Op::DropRelation {
                target: self.relation_ref(),
                behavior: self.behavior(),
            },
            8 => self.rename_relation(),
            9 => Op::SetComment {
                target: self.comment_target(),
                comment: self.comment(),
            },
            10 => Op::SetTableOptions {
                target: self.relation_ref(),
                options: self.table_options(),
            },
            11 | 12 => self.create_model(oid),
            13 => self.add_version(),
            14 => Op::SetAlias {
                target: self.model_ref(),
                alias: "champion".to_string(),
                version: self.version(),
            },
            15 => Op::DropModelVersion {
                target: self.model_ref(),
                number: 1 + self.random.below(3) as u32,
            },
            16 => self.drop_or_rename_model(),
            17 => self.move_sequence(),
            18 => self.begin_intent(oid),
            19 => Op::SetRoleSetting {
                role: self.name(&["", "tarn"]).to_string(),
                name: self.name(&NAMES).to_string(),
                value: self.comment(),
            },
            _ => self.end_intent(),
        }
    }

    fn name(&mut self, names: &[&'static str]) -> &'static str {
        self.random.pick(names).copied().unwrap_or("a")
    }

    fn behavior(&mut self) -> DropBehavior {
        if self.random.below(2) == 0 {
            DropBehavior::Restrict
        } else {
            DropBehavior::Cascade
        }
    }

    fn comment(&mut self) -> Option<String> {
        (self.random.below(3) > 0).then(|| format!("comment {}", self.random.next()))
    }

    fn comment_target(&mut self) -> CommentTarget {
        match self.random.below(4) {
            0 => CommentTarget::Schema(self.name(&SCHEMAS).to_string()),
            1 => CommentTarget::Relation(self.relation_ref()),
            2 => CommentTarget::Column(self.relation_ref(), "x".to_string()),
            _ => CommentTarget::Model(self.model_ref()),
        }
    }

    /// Mostly something that was there, sometimes nothing that ever was.
    fn relation_ref(&mut self) -> RelationRef {
        let relations: Vec<_> = self.seen.relations.values().collect();
        match self.random.pick(&relations) {
            Some(relation) if self.random.below(20) > 0 => relation.reference(),
            _ => RelationRef {
                id: self.random.uuid(),
                schema: "public".to_string(),
                name: "a".to_string(),
            },
        }
    }

    fn model_ref(&mut self) -> ModelRef {
        let models: Vec<_> = self.seen.models.values().collect();
        match self.random.pick(&models) {
            Some(model) if self.random.below(20) > 0 => model.reference(),
            _ => ModelRef {
                id: self.random.uuid(),
                schema: "public".to_string(),
                name: "a".to_string(),
            },
        }
    }

    fn objects(&mut self) -> Vec<ObjectId> {
        (0..self.random.below(3))
            .map(|_| match self.random.below(4) {
                0 => ObjectId::Model(self.model_ref().id),
                _ => ObjectId::Relation(self.relation_ref().id),
            })
            .collect()
    }

    fn new_relation(&mut self, oid: u32) -> Relation {
        let id = self.random.uuid();
        let kind = match self.random.below(5) {
            0 | 1 => view_kind(self.objects()),
            2 => sequence_kind(),
            _ => table_kind(id),
        };
        let mut relation = relation(oid, id, self.name(&NAMES), kind);
        relation.schema = self.name(&SCHEMAS).to_string();
        self.decorate(&mut relation);
        relation
    }

    fn replacement(&mut self) -> Relation {
        let relations: Vec<_> = self.seen.relations.values().collect();
        let Some(old) = self.random.pick(&relations) else {
            return self.new_relation(self.seen.next_oid);
        };
        let mut relation = Relation::clone(old);
        if let RelationKind::View(view) = &mut relation.kind {
            view.depends_on = self.objects();
        }
        self.decorate(&mut relation);
        relation
    }

    /// Gives a table keys and identity columns.
    fn decorate(&mut self, relation: &mut Relation) {
        let options = self.table_options();
        if let RelationKind::Table(table) = &mut relation.kind {
            table.constraints = options.constraints;
            table.identity = options.identity;
            table.defaults = options.defaults;
        }
    }

    fn table_options(&mut self) -> TableOptions {
        let mut options = TableOptions::default();
        let relations = self.seen.relations.values();
        let tables: Vec<Uuid> = relations
            .clone()
            .filter(|found| found.table().is_some())
            .map(|found| found.id)
            .collect();
        let sequences: Vec<Uuid> = relations
            .filter(|found| found.sequence().is_some())
            .map(|found| found.id)
            .collect();
        if self.random.below(3) == 0
            && let Some(table) = self.random.pick(&tables)
        {
            options.constraints.push(foreign_key("fk", *table));
        }
        if self.random.below(2) == 0
            && let Some(sequence) = self.random.pick(&sequences)
        {
            options.identity.insert("id".to_string(), *sequence);
            options
                .defaults
                .insert("id".to_string(), "nextval".to_string());
        }
        options
    }

    fn drop_schema(&mut self) -> Op {
        let name = self.name(&SCHEMAS);
        let oid = self.seen.schema(name).map_or(1, |schema| schema.oid);
        Op::DropSchema {
            name: name.to_string(),
            oid,
            behavior: self.behavior(),
        }
    }

    fn rename_relation(&mut self) -> Op {
        let (schema, name) = (
            self.name(&SCHEMAS).to_string(),
            self.name(&NAMES).to_string(),
        );
        Op::RenameRelation {
            target: self.relation_ref(),
            schema,
            name,
        }
    }

    fn create_model(&mut self, oid: u32) -> Op {
        let mut model = model(oid, self.random.uuid(), self.name(&NAMES));
        model.schema = self.name(&SCHEMAS).to_string();
        Op::CreateModel { model }
    }

    fn add_version(&mut self) -> Op {
        let target = self.model_ref();
        let number = self
            .seen
            .model_by_id(target.id)
            .map_or(1, |model| model.next_version_number());
        Op::AddModelVersion {
            target,
            version: version(number),
            aliases: vec!["default".to_string()],
        }
    }

    fn version(&mut self) -> Option<u32> {
        (self.random.below(3) > 0).then(|| 1 + self.random.below(3) as u32)
    }

    fn drop_or_rename_model(&mut self) -> Op {
        let target = self.model_ref();
        if self.random.below(2) == 0 {
            return Op::DropModel {
                target,
                behavior: self.behavior(),
            };
        }
        Op::RenameModel {
            target,
            schema: self.name(&SCHEMAS).to_string(),
            name: self.name(&NAMES).to_string(),
        }
    }

    fn move_sequence(&mut self) -> Op {
        let target = self.relation_ref();
        if self.random.below(3) == 0 {
            return Op::SetSequence {
                target,
                next: Some(self.random.below(100) as i64),
                last: None,
            };
        }
        let expected_next = self
            .seen
            .sequences
            .get(&target.id)
            .and_then(|position| position.next);
        Op::AdvanceSequence {
            target,
            expected_next,
            count: 1 + self.random.below(40) as u32,
        }
    }

    fn begin_intent(&mut self, oid: u32) -> Op {
        let target = self.relation_ref();
        let location = self
            .seen
            .relation_by_id(target.id)
            .and_then(|found| found.table())
            .map(|table| table.location.clone());
        let table = IntentTable {
            relation: target.id,
            location: location.unwrap_or_default(),
            read_version: Some(self.random.next() % 100),
            commit_json: b"{\"commitInfo\":{}}\n".to_vec(),
        };
        let ops = vec![Op::CreateRelation {
            relation: self.new_relation(oid),
        }];
        Op::BeginIntent {
            intent: Intent {
                id: self.random.uuid(),
                tables: vec![table],
                ops,
            },
        }
    }

    fn end_intent(&mut self) -> Op {
        let intents: Vec<_> = self.seen.intents.keys().copied().collect();
        let id = self.random.pick(&intents).copied().unwrap_or(Uuid::nil());
        match self.random.below(3) {
            0 => Op::DiscardIntent {
                id,
                undo: vec![self.op(7)],
                reason: "test".to_string(),
            },
            _ => Op::CompleteIntent { id },
        }
    }
}

/// What each operation promises about the state after it, when it was the only one.
fn check_effect(before: &State, op: &Op, after: &State) {
    match op {
        Op::CreateRelation { .. }
        | Op::ReplaceRelation { .. }
        | Op::DropRelation { .. }
        | Op::RenameRelation { .. }
        | Op::SetTableOptions { .. } => check_relation_effect(before, op, after),
        Op::CreateModel { .. }
        | Op::AddModelVersion { .. }
        | Op::DropModelVersion { .. }
        | Op::DropModel { .. }
        | Op::RenameModel { .. }
        | Op::SetAlias { .. } => check_model_effect(op, after),
        Op::SetRoleSetting { role, name, value } => {
            let own = after.role_settings.get(role);
            assert_eq!(own.and_then(|own| own.get(name)), value.as_ref());
            assert!(after.role_settings.values().all(|own| !own.is_empty()));
        }
        Op::SetComment { target, comment } => check_comment(target, comment.as_ref(), after),
        Op::CreateSchema { schema } => assert_eq!(**after.schema(&schema.name).unwrap(), *schema),
        Op::DropSchema { name, .. } => {
            assert!(before.schema(name).is_some() && after.schema(name).is_none());
            assert!(after.relations.keys().all(|(schema, _)| schema != name));
        }
        Op::AdvanceSequence {
            target,
            expected_next,
            ..
        } => {
            assert_eq!(before.sequences[&target.id].next, *expected_next);
            assert!(after.sequences[&target.id].last >= *expected_next);
        }
        Op::SetSequence { target, next, .. } => {
            assert_eq!(after.sequences[&target.id].next, *next)
        }
        Op::BeginIntent { intent } => {
            assert_eq!(*after.intents[&intent.id], *intent);
            let Op::CreateRelation { relation } = &intent.ops[0] else {
                panic!("{intent:?}")
            };
            assert!(
                after.relation_by_id(relation.id).is_some(),
                "its operations are visible"
            );
        }
        Op::CompleteIntent { id } | Op::DiscardIntent { id, .. } => {
            assert!(before.intents.contains_key(id) && !after.intents.contains_key(id));
        }
    }
}

fn check_relation_effect(before: &State, op: &Op, after: &State) {
    match op {
        Op::CreateRelation { relation } | Op::ReplaceRelation { relation } => {
            assert_eq!(
                **after.relation(&relation.schema, &relation.name).unwrap(),
                *relation
            );
        }
        Op::DropRelation { target, behavior } => {
            assert!(after.relation_by_id(target.id).is_none());
            let views = |state: &State| {
                state
                    .relations
                    .values()
                    .filter(|found| found.view().is_some())
                    .count()
            };
            let dropped_view =
                usize::from(before.relation_by_id(target.id).unwrap().view().is_some());
            if *behavior == DropBehavior::Restrict {
                assert_eq!(views(after) + dropped_view, views(before));
            }
        }
        Op::RenameRelation {
            target,
            schema,
            name,
        } => {
            assert_eq!(after.relation(schema, name).unwrap().id, target.id);
            assert_eq!(after.relations.len(), before.relations.len());
        }
        Op::SetTableOptions { target, options } => {
            let relation = after.relation_by_id(target.id).unwrap();
            assert_eq!(relation.table().unwrap().identity, options.identity);
        }
        _ => unreachable!("{op:?} is not about a relation"),
    }
}

fn check_model_effect(op: &Op, after: &State) {
    match op {
        Op::CreateModel { model } => {
            assert_eq!(**after.model(&model.schema, &model.name).unwrap(), *model)
        }
        Op::AddModelVersion {
            target, version, ..
        } => {
            assert_eq!(
                after.model_by_id(target.id).unwrap().resolve(None),
                Some(version)
            );
        }
        Op::DropModelVersion { target, number } => {
            assert!(
                after
                    .model_by_id(target.id)
                    .unwrap()
                    .version(*number)
                    .is_none()
            );
        }
        Op::DropModel { target, .. } => assert!(after.model_by_id(target.id).is_none()),
        Op::RenameModel {
            target,
            schema,
            name,
        } => assert_eq!(after.model(schema, name).unwrap().id, target.id),
        Op::SetAlias {
            target,
            alias,
            version,
        } => {
            assert_eq!(
                after.model_by_id(target.id).unwrap().aliases.get(alias),
                version.as_ref()
            );
        }
        _ => unreachable!("{op:?} is not about a model"),
    }
}

fn check_comment(target: &CommentTarget, comment: Option<&String>, after: &State) {
    let found = match target {
        CommentTarget::Relation(target) => &after.relation_by_id(target.id).unwrap().comment,
        CommentTarget::Model(target) => &after.model_by_id(target.id).unwrap().comment,
        CommentTarget::Schema(_) | CommentTarget::Column(..) => return,
    };
    assert_eq!(found.as_ref(), comment);
}

/// Is this how the catalog refuses what was asked, and not a fault of its store?
fn is_refusal(error: &CatalogError) -> bool {
    !matches!(
        error,
        CatalogError::Corrupt { .. } | CatalogError::Sql { .. } | CatalogError::Io { .. }
    )
}

/// Every way to a state from what the store has must lead to the same one.
fn check_restores(
    seed: u64,
    store: &dyn Fn() -> Box<dyn MetaStore>,
    accepted: usize,
    image: Option<(u64, Vec<u8>)>,
    live: &State,
) {
    let log = store().read_since(0).unwrap();
    assert_eq!(
        log.len(),
        accepted,
        "seed {seed}: the log has what was acknowledged and nothing else"
    );
    let replayed = log.iter().fold(State::initial(), |state, entry| {
        state.apply_owned(entry).unwrap()
    });
    assert_eq!(replayed, *live, "seed {seed}: replay");
    if let Some((seq, bytes)) = image {
        let tail = store().read_since(seq).unwrap();
        let state = State::decode(seq, &bytes).unwrap();
        let resumed = tail
            .iter()
            .fold(state, |state, entry| state.apply_owned(entry).unwrap());
        assert_eq!(resumed, *live, "seed {seed}: snapshot and tail");
    }
}

/// Runs a random history on a log, of which `store` gives handles, and returns how many changes were
/// accepted and how many refused.
fn run_history(
    seed: u64,
    changes: usize,
    store: &dyn Fn() -> Box<dyn MetaStore>,
) -> (usize, usize) {
    let mut random = Random(seed);
    let mut replica = Replica::open(store()).unwrap();
    let mut seen = vec![State::clone(replica.state())];
    let mut image = None;
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..changes {
        let before = State::clone(replica.state());
        let base = if random.below(4) == 0 {
            random.pick(&seen).unwrap().clone()
        } else {
            before.clone()
        };
        let ops = Session {
            seen: &base,
            random: &mut random,
        }
        .ops();
        let proposal = Proposal {
            principal: "tarn",
            base_seq: base.seq,
            ops: ops.clone(),
        };
        match replica.commit(proposal) {
            Ok(after) => {
                accepted += 1;
                invariants::check(&after);
                assert_eq!(after.seq, before.seq + 1);
                if let [op] = ops.as_slice() {
                    check_effect(&before, op, &after);
                }
                seen.push(State::clone(&after));
            }
            Err(error) => {
                refused += 1;
                assert_eq!(
                    **replica.state(),
                    before,
                    "seed {seed}: {error} changed the state"
                );
                assert!(is_refusal(&error), "seed {seed}: {ops:?}: {error}");
            }
        }
        if random.below(changes / 2) == 0 {
            image = Some((replica.state().seq, replica.state().encode().unwrap()));
        }
    }
    let live = State::clone(replica.state());
    check_restores(seed, store, accepted, image, &live);
    drop(replica);
    assert_eq!(
        **Replica::open(store()).unwrap().state(),
        live,
        "seed {seed}: opened again"
    );
    (accepted, refused)
}

#[test]
fn the_log_tells_the_whole_truth() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..120 {
        let store = MemoryStore::default();
        let counts = run_history(seed, 150, &|| Box::new(store.clone()));
        accepted += counts.0;
        refused += counts.1;
    }
    // Both kinds must be frequent, or the histories test nothing.
    assert!(
        accepted > 4_000 && refused > 4_000,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn sqlite_tells_the_whole_truth_across_snapshots() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path()).unwrap();
    let path = dir.path().join("catalog.sqlite");
    let (accepted, _) = run_history(1, 2_400, &|| Box::new(SqliteStore::open(&path).unwrap()));
    assert!(accepted > 600, "{accepted} entries do not reach a snapshot");
    let snapshot = SqliteStore::open(&path).unwrap().load_snapshot().unwrap();
    assert!(snapshot.is_some_and(|state| state.seq >= 512));
}
