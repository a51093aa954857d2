//! Settings as administrators see and change them; how the engine reads them is `settings.rs`.
use crate::settings::{DEFINITIONS, Definition};
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Query, Setting};

/// What marks a secret's value in the database as sealed.
const SEALED: &str = "sealed:";

/// Where a setting is set: the whole cloud, or one zone, cluster, pool or account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// `global`, `zone`, `cluster`, `storagepool`, `account`.
    pub scope: &'static str,
    /// The key of the zone, cluster …; 0 for the cloud.
    pub id: i64,
}

impl Place {
    /// The whole cloud.
    pub const CLOUD: Self = Self { scope: "global", id: 0 };
}

/// Which settings a list shows.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationFilter {
    /// The one of this name.
    pub name: Option<String>,
    /// Those of a category.
    pub category: Option<String>,
    /// A text in name or description.
    pub keyword: Option<String>,
    /// Those that can be set there, with their values there; none for the cloud's.
    pub place: Option<Place>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// A setting and its value, as far as one may see it.
#[derive(Debug, Clone)]
pub struct Configured {
    /// What it is.
    pub definition: &'static Definition,
    /// Its value; none when it has none or is a secret.
    pub value: Option<String>,
    /// Where the value holds.
    pub scope: &'static str,
}

impl Engine {
    /// Settings with their values. Hidden ones are found by name only.
    pub fn configuration_list(&self, f: &ConfigurationFilter) -> Listing<Configured> {
        let keyword = f.keyword.as_ref().map(|k| k.to_lowercase());
        let fits = |d: &&'static Definition| {
            f.name.as_ref().map_or(d.category != "Hidden", |n| *n == d.name)
                && f.category.as_ref().is_none_or(|c| c.eq_ignore_ascii_case(&d.category))
                && keyword.as_ref().is_none_or(|k| d.name.to_lowercase().contains(k) || d.description.to_lowercase().contains(k))
                && f.place.is_none_or(|p| p == Place::CLOUD || scope_of(d) == p.scope)
        };
        let all: Vec<&'static Definition> = DEFINITIONS.values().filter(fits).collect();
        let page = all.iter().skip(f.page.0.max(0) as usize).take(f.page.1.max(0) as usize);
        let place = f.place.unwrap_or(Place::CLOUD);
        Listing { count: all.len() as i64, rows: page.map(|d| self.configured(d, place)).collect() }
    }

    fn configured(&self, definition: &'static Definition, place: Place) -> Configured {
        let value = if definition.secret { None } else { self.settings.scoped(&definition.name, place.scope, place.id) };
        Configured { definition, value, scope: scope_of(definition) }
    }

    /// Sets a setting, for the cloud or a place in it. An empty value clears it; none leaves it as it is.
    pub async fn configuration_update(&self, call: &Call, name: &str, value: Option<String>, place: Place) -> Result<Configured> {
        let definition = DEFINITIONS.get(name).ok_or_else(|| Error::not_found(Kind::Configuration, name))?;
        if place != Place::CLOUD && scope_of(definition) != place.scope {
            let scope = scope_of(definition);
            return Err(Error::invalid("name", format!("{name} cannot be set for a {}; its scope is {scope}", place.scope)));
        }
        let Some(value) = value else { return Ok(self.configured(definition, place)) };
        let value = Some(value.trim()).filter(|v| !v.is_empty());
        if let Some(v) = value {
            definition.check(v)?;
            in_range(definition, v)?;
            if name == crate::authenticators::ORDER {
                self.authenticators.check(v)?;
            }
        }
        let content = match value {
            Some(v) if definition.secret => Some(format!("{SEALED}{}", self.sealer.seal(v)?)),
            other => other.map(str::to_owned),
        };
        let text = match value {
            _ if definition.secret => format!("changed setting {name}"),
            Some(v) => format!("set {name} to {v}"),
            None => format!("cleared setting {name}"),
        };
        let (again, name) = (call.clone(), name.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if place.scope == "cluster" {
                        again.cluster_setting(tx, place.id, &name, content.as_deref()).await?;
                    }
                    let at = Query::all().eq("name", name.as_str()).eq("scope", place.scope).eq("scope_id", place.id);
                    if tx.update::<Setting>(at, vec![("content", content.clone().into())]).await? == 0 {
                        let mut row = Setting { name, scope: place.scope.into(), scope_id: place.id, content, ..Default::default() };
                        tx.insert(&mut row).await?;
                    }
                    again.log(tx, Topic::of_caller(&again, Kind::Configuration, 0), text).await
                })
            })
            .await?;
        self.settings.reload(&self.db).await?;
        Ok(self.configured(definition, place))
    }

    /// The clear text of a secret setting, for what needs it. Never for an answer.
    pub fn setting_secret(&self, name: &str) -> Result<Option<String>> {
        match self.settings.text(name) {
            Some(v) => match v.strip_prefix(SEALED) {
                Some(sealed) => self.sealer.open(sealed).map(Some),
                None => Ok(Some(v)),
            },
            None => Ok(None),
        }
    }
}

/// The scope of a setting as answers show it.
fn scope_of(d: &Definition) -> &'static str {
    match d.scope.as_deref() {
        Some("zone") => "zone",
        Some("cluster") => "cluster",
        Some("storagepool") => "storagepool",
        Some("account") => "account",
        _ => "global",
    }
}

/// Bounds beyond the type: what would stop the cloud from working if it were set.
fn in_range(d: &Definition, value: &str) -> Result<()> {
    let refuse = |what: &str| Err(Error::invalid("value", format!("{} takes {what}, not '{value}'", d.name)));
    let number = value.trim().parse::<f64>().unwrap_or_default();
    let (name, kind) = (d.name.as_str(), d.kind.as_str());
    if name.ends_with("threshold") && matches!(kind, "float" | "double") && !(0.0..=1.0).contains(&number) {
        return refuse("a share between 0 and 1");
    }
    if name.ends_with("overprovisioning.factor") && number < 1.0 {
        return refuse("a factor of at least 1");
    }
    if name == "default.page.size" && number < 1.0 {
        return refuse("a number of at least 1");
    }
    let quota = name.starts_with("max.account.") || name.starts_with("max.project.");
    let limit = quota || name == "s3.singleupload.max.size" || name.ends_with("network.throttling.rate");
    if matches!(kind, "integer" | "long") && number < if limit { -1.0 } else { 0.0 } {
        return refuse(if limit { "-1 for no limit, or a number from 0" } else { "a number from 0" });
    }
    Ok(())
}
