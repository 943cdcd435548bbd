//! How do models, versions and aliases come and go?

use super::{Change, already_exists, conflict, does_not_exist, invalid};
use crate::error::{CatalogError, ObjectKind};
use crate::state::dependency::shown_name;
use crate::state::model::{Model, ModelRef, ModelVersion};
use crate::state::op::DropBehavior;
use crate::state::relation::ObjectId;

impl Change {
    pub(super) fn create_model(&mut self, model: &Model) -> Result<(), CatalogError> {
        self.find_schema(&model.schema)?;
        self.check_model_name_free(&model.schema, &model.name)?;
        if self.state.model_by_id(model.id).is_some() {
            return Err(conflict(format!("model id {} was taken", model.id)));
        }
        check_model(model)?;
        self.claim_oid(model.oid)?;
        self.put_model(model.clone());
        Ok(())
    }

    pub(super) fn add_model_version(
        &mut self,
        target: &ModelRef,
        version: &ModelVersion,
        aliases: &[String],
    ) -> Result<(), CatalogError> {
        self.alter_model(target, |model| {
            if version.number != model.next_version_number() {
                return Err(conflict(format!(
                    "version {} of model {:?} was taken",
                    version.number, model.name
                )));
            }
            model.versions.push(version.clone());
            for alias in aliases {
                model.aliases.insert(alias.clone(), version.number);
            }
            Ok(())
        })
    }

    pub(super) fn drop_model_version(
        &mut self,
        target: &ModelRef,
        number: u32,
    ) -> Result<(), CatalogError> {
        self.alter_model(target, |model| {
            let shown = format!("{}@{number}", shown_name(&model.schema, &model.name));
            if model.version(number).is_none() {
                return Err(does_not_exist(ObjectKind::ModelVersion, &shown));
            }
            if let Some((alias, _)) = model
                .aliases
                .iter()
                .find(|(_, version)| **version == number)
            {
                let detail = format!("alias {alias:?} names it");
                return Err(invalid(ObjectKind::ModelVersion, &shown, detail));
            }
            // Numbers are never reused, and the last one is where the next one is counted from.
            if model.next_version_number() == number + 1 {
                return Err(invalid(
                    ObjectKind::ModelVersion,
                    &shown,
                    "it is the newest version",
                ));
            }
            model.versions.retain(|version| version.number != number);
            Ok(())
        })
    }

    pub(super) fn drop_model(
        &mut self,
        target: &ModelRef,
        behavior: DropBehavior,
    ) -> Result<(), CatalogError> {
        let model = self.find_model(target)?;
        self.check_unchanged(model.oid, &model.name)?;
        if behavior == DropBehavior::Restrict {
            self.check_model_unused(&model)?;
        }
        self.remove_cascade(ObjectId::Model(model.id));
        Ok(())
    }

    pub(super) fn rename_model(
        &mut self,
        target: &ModelRef,
        schema: &str,
        name: &str,
    ) -> Result<(), CatalogError> {
        let old = self.find_model(target)?;
        self.check_unchanged(old.oid, &old.name)?;
        self.find_schema(schema)?;
        self.check_model_name_free(schema, name)?;
        self.check_model_unused(&old)?;
        let mut model = Model::clone(&*old);
        model.schema = schema.to_string();
        model.name = name.to_string();
        check_model(&model)?;
        self.state.take_model(model.id);
        self.put_model(model);
        Ok(())
    }

    pub(super) fn set_alias(
        &mut self,
        target: &ModelRef,
        alias: &str,
        version: Option<u32>,
    ) -> Result<(), CatalogError> {
        self.alter_model(target, |model| match version {
            Some(number) if model.version(number).is_some() => {
                model.aliases.insert(alias.to_string(), number);
                Ok(())
            }
            Some(number) => Err(does_not_exist(
                ObjectKind::ModelVersion,
                &format!("{}@{number}", model.name),
            )),
            None => match model.aliases.remove(alias) {
                Some(_) => Ok(()),
                None => Err(does_not_exist(ObjectKind::ModelAlias, alias)),
            },
        })
    }

    /// Changes a model in place, keeping name and identity.
    pub(super) fn alter_model(
        &mut self,
        target: &ModelRef,
        alter: impl FnOnce(&mut Model) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let old = self.find_model(target)?;
        self.check_unchanged(old.oid, &old.name)?;
        let mut model = Model::clone(&*old);
        alter(&mut model)?;
        check_model(&model)?;
        self.put_model(model);
        Ok(())
    }

    pub(super) fn remove_model(&mut self, id: uuid::Uuid) -> bool {
        let Some(model) = self.state.take_model(id) else {
            return false;
        };
        self.state.changed_seq.remove(&model.oid);
        true
    }

    fn put_model(&mut self, model: Model) {
        self.touch(model.oid);
        self.state.put_model(model);
    }

    fn check_model_name_free(&self, schema: &str, name: &str) -> Result<(), CatalogError> {
        match self.state.model(schema, name) {
            Some(_) => Err(already_exists(ObjectKind::Model, name)),
            None => Ok(()),
        }
    }

    fn check_model_unused(&self, model: &Model) -> Result<(), CatalogError> {
        let dependents = self.state.dependents(ObjectId::Model(model.id));
        if dependents.is_empty() {
            return Ok(());
        }
        let name = shown_name(&model.schema, &model.name);
        Err(CatalogError::DependentObjects {
            kind: ObjectKind::Model,
            name,
            dependents,
        })
    }
}

fn check_model(model: &Model) -> Result<(), CatalogError> {
    let fault = if model.name.is_empty() {
        "the name is empty"
    } else if model.name.contains('@') {
        "the name contains @, which comes before a version"
    } else if model.versions.is_empty() {
        "it has no version"
    } else if !model
        .versions
        .is_sorted_by(|left, right| left.number < right.number)
        || model.versions[0].number == 0
    {
        "its versions are not numbered upwards from 1"
    } else if model
        .aliases
        .values()
        .any(|number| model.version(*number).is_none())
    {
        "an alias names no version"
    } else if model.aliases.keys().any(|alias| !is_alias(alias)) {
        "an alias must start with a letter and hold no @"
    } else {
        return Ok(());
    };
    Err(invalid(ObjectKind::Model, &model.name, fault))
}

/// `name@3` is a version and `name@champion` an alias, so an alias must not look like a number.
fn is_alias(alias: &str) -> bool {
    alias
        .chars()
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && !alias.contains('@')
}
