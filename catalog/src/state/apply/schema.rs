//! How do schemas come and go?

use std::sync::Arc;

use super::{Change, already_exists, conflict, does_not_exist, invalid};
use crate::error::{CatalogError, Dependent, ObjectKind};
use crate::state::op::DropBehavior;
use crate::state::relation::Schema;
use crate::state::{MODEL_SCHEMA, ObjectId};

impl Change {
    pub(super) fn create_schema(&mut self, schema: &Schema) -> Result<(), CatalogError> {
        if schema.name.is_empty() {
            return Err(invalid(
                ObjectKind::Schema,
                &schema.name,
                "the name is empty",
            ));
        }
        let is_temporary = schema.name.starts_with("pg_temp_");
        if (schema.name.starts_with("pg_") && !is_temporary) || schema.name == "information_schema"
        {
            return Err(CatalogError::ReservedName {
                kind: ObjectKind::Schema,
                name: schema.name.clone(),
            });
        }
        if self.state.schemas.contains_key(&schema.name) {
            return Err(already_exists(ObjectKind::Schema, &schema.name));
        }
        self.claim_oid(schema.oid)?;
        self.state
            .schemas
            .insert(schema.name.clone(), Arc::new(schema.clone()));
        Ok(())
    }

    pub(super) fn drop_schema(
        &mut self,
        name: &str,
        oid: u32,
        behavior: DropBehavior,
    ) -> Result<(), CatalogError> {
        if name == MODEL_SCHEMA {
            return Err(CatalogError::ReservedName {
                kind: ObjectKind::Schema,
                name: name.to_string(),
            });
        }
        let schema = self.find_schema(name)?;
        if schema.oid != oid {
            return Err(conflict(format!(
                "schema {name:?} was dropped and made again"
            )));
        }
        self.check_unchanged(oid, name)?;
        match behavior {
            DropBehavior::Restrict => self.check_schema_is_empty(name)?,
            DropBehavior::Cascade => self.drop_schema_contents(name),
        }
        self.state.schemas.remove(name);
        self.state.changed_seq.remove(&oid);
        Ok(())
    }

    pub(super) fn set_schema_comment(
        &mut self,
        name: &str,
        comment: Option<String>,
    ) -> Result<(), CatalogError> {
        let mut schema = Schema::clone(&*self.find_schema(name)?);
        self.check_unchanged(schema.oid, name)?;
        schema.comment = comment;
        self.touch(schema.oid);
        self.state
            .schemas
            .insert(name.to_string(), Arc::new(schema));
        Ok(())
    }

    pub(super) fn find_schema(&self, name: &str) -> Result<Arc<Schema>, CatalogError> {
        self.state
            .schema(name)
            .cloned()
            .ok_or_else(|| does_not_exist(ObjectKind::Schema, name))
    }

    fn check_schema_is_empty(&self, name: &str) -> Result<(), CatalogError> {
        let relations = self
            .state
            .relations
            .values()
            .filter(|relation| relation.schema == name);
        let models = self
            .state
            .models
            .values()
            .filter(|model| model.schema == name);
        let mut dependents: Vec<Dependent> = relations
            .map(|relation| relation.as_dependent())
            .chain(models.map(|model| model.as_dependent()))
            .collect();
        if dependents.is_empty() {
            return Ok(());
        }
        dependents.sort();
        Err(CatalogError::DependentObjects {
            kind: ObjectKind::Schema,
            name: name.to_string(),
            dependents,
        })
    }

    fn drop_schema_contents(&mut self, name: &str) {
        let relations = self
            .state
            .relations
            .values()
            .filter(|relation| relation.schema == name);
        let models = self
            .state
            .models
            .values()
            .filter(|model| model.schema == name);
        let objects: Vec<ObjectId> = relations
            .map(|relation| ObjectId::Relation(relation.id))
            .chain(models.map(|model| ObjectId::Model(model.id)))
            .collect();
        for object in objects {
            self.remove_cascade(object);
        }
    }
}
