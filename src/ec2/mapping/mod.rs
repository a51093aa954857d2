//! `mappings/ec2/*.toml`: what an action is in native commands. Read once, strictly; a slip is found by a test, and by `Door::new`.
pub mod answer;
/// Where values come from.
pub mod expression;
mod files;
pub mod request;
mod tables;

pub use tables::{Kind, Tables};

use answer::Element;
use expression::Expression;
use request::Parameter;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How an action is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// A native list, joined by `gather`, narrowed by ids and filters, paged.
    List,
    /// One native command, whose answer is shown.
    Call,
    /// One asynchronous native command for each id, not waited for.
    Change,
    /// A Rust function.
    Function,
    /// Nothing is asked: the mapping itself is the answer. Its lists are empty, and an id that is asked for is not there.
    Fixed,
}

/// How answers and errors are wrapped by services that share this port and are not EC2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// STS, Version 2011-06-15: a result element, `ResponseMetadata`, a namespace of its own.
    Sts,
}

/// What a state change does with a thing in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// Calls the command.
    Call,
    /// Nothing: it is there already, or on its way.
    Keep,
    /// Refuses with `IncorrectInstanceState`.
    Refuse,
}

/// The things that a list is asked for by id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// The parameter, without its index.
    pub parameter: String,
    /// The kind of id; none when they are names, compared as they are.
    pub kind: Option<String>,
    /// Where the record has it.
    pub field: String,
    /// The code for one that is not there, for names.
    #[serde(rename = "not-found")]
    pub not_found: Option<String>,
    /// Whether the native command takes it as `id`: then few things are asked for one by one.
    #[serde(default)]
    pub native: bool,
}

/// What may keep a change from being made: an attribute that says `true`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The attribute, `disableApiTermination`.
    pub attribute: String,
    /// The code of the refusal.
    pub code: String,
}

/// How a list is paged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// The least `MaxResults`.
    pub min: i64,
    /// The greatest.
    pub max: i64,
    /// Whether ids exclude it.
    #[serde(default, rename = "not-with-ids")]
    pub not_with_ids: bool,
    /// Whether each native record is one thing of the list or none: then pages are read as they are asked for, and all of it piece by
    /// piece. Else everything is read for each page.
    #[serde(default)]
    pub native: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    action: String,
    #[serde(default)]
    alias: Vec<String>,
    run: Run,
    command: Option<String>,
    /// The key under which the native answer has its objects.
    object: Option<String>,
    function: Option<String>,
    gather: Option<String>,
    group: Option<String>,
    /// The Rust function that gives what stands in the list and natively no more.
    tail: Option<String>,
    /// The state that a change's answer shows at once.
    becomes: Option<String>,
    guard: Option<Guard>,
    /// Another service's way of wrapping answers.
    wire: Option<Wire>,
    ids: Option<Ids>,
    #[serde(default, rename = "also-ids")]
    also_ids: Vec<Ids>,
    paging: Option<Paging>,
    #[serde(default)]
    from: BTreeMap<String, Deed>,
    #[serde(default)]
    native: BTreeMap<String, String>,
    #[serde(default)]
    request: BTreeMap<String, String>,
    filters: Option<Filters>,
    #[serde(default)]
    errors: BTreeMap<String, String>,
    #[serde(default)]
    answer: toml::Table,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Filters {
    /// Filters that EC2 has and for which nothing here has a value: they match nothing.
    #[serde(default)]
    absent: Vec<String>,
    /// Whether `tag:<key>`, `tag-key` and `tag-value` are taken.
    #[serde(default)]
    tags: bool,
    #[serde(default)]
    by: BTreeMap<String, String>,
}

/// An action as its mapping has it.
#[derive(Debug)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// How it is carried out.
    pub run: Run,
    /// The native command.
    pub command: Option<String>,
    /// The key under which the native answer has its objects.
    pub object: Option<String>,
    /// The Rust function, in `actions/`.
    pub function: Option<String>,
    /// The Rust function that joins to native records what the answer shows beside them.
    pub gather: Option<String>,
    /// The Rust function that makes groups of the records that are left.
    pub group: Option<String>,
    /// The Rust function that gives what stands in the list and natively no more.
    pub tail: Option<String>,
    /// The state that a change's answer shows at once.
    pub becomes: Option<String>,
    /// What may keep the change from being made.
    pub guard: Option<Guard>,
    /// Another service's way of wrapping answers.
    pub wire: Option<Wire>,
    /// What ids may be asked for; the first is the main one.
    pub ids: Vec<Ids>,
    /// How it is paged.
    pub paging: Option<Paging>,
    /// What a change does, by state.
    pub from: BTreeMap<String, Deed>,
    /// Native parameters that are always given.
    pub native: BTreeMap<String, String>,
    /// Its parameters.
    pub request: Vec<Parameter>,
    /// Its filters; none when it takes none. An empty expression matches nothing.
    pub filters: Option<BTreeMap<String, Option<Expression>>>,
    /// Whether it filters by tags.
    pub tags: bool,
    /// Codes that this action says differently.
    pub errors: BTreeMap<String, String>,
    /// What it answers.
    pub answer: Vec<Element>,
}

/// Every mapping.
#[derive(Debug)]
pub struct Mappings {
    actions: BTreeMap<String, Action>,
    unsupported: BTreeMap<String, (String, String)>,
    /// Kinds of ids, tables of words.
    pub tables: Tables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsupported {
    actions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    actions: Vec<String>,
}

static MAPPINGS: LazyLock<Result<Mappings, String>> = LazyLock::new(Mappings::read);

impl Mappings {
    /// The mappings of this build.
    pub fn get() -> Result<&'static Self, String> {
        MAPPINGS.as_ref().map_err(Clone::clone)
    }

    fn read() -> Result<Self, String> {
        let tables = Tables::parse(files::TABLES).map_err(|e| format!("tables.toml: {e}"))?;
        let mut actions = BTreeMap::new();
        for (name, text) in files::ACTIONS {
            let inside = |e: String| format!("{name}.toml: {e}");
            let file: File = toml::from_str(text).map_err(|e| inside(e.to_string()))?;
            if file.action != *name {
                return Err(inside(format!("declares {}", file.action)));
            }
            let aliases = file.alias.clone();
            for alias in aliases.into_iter().chain([name.to_string()]) {
                let action = Action::read(toml::from_str(text).map_err(|e| inside(e.to_string()))?, &tables).map_err(inside)?;
                actions.insert(alias.to_lowercase(), action);
            }
        }
        let unsupported: Unsupported = toml::from_str(files::UNSUPPORTED).map_err(|e| format!("unsupported.toml: {e}"))?;
        let unsupported = unsupported.actions.into_iter().map(|(name, why)| (name.to_lowercase(), (name, why))).collect();
        Ok(Self { actions, unsupported, tables })
    }

    /// An action by its name, the case aside.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(&name.to_lowercase())
    }
    /// Why an action of EC2 is not served.
    pub fn unsupported(&self, name: &str) -> Option<&str> {
        self.unsupported.get(&name.to_lowercase()).map(|(_, why)| why.as_str())
    }
    /// Every mapped action; an alias counts.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }
    /// Every action that is declared unsupported.
    pub fn unsupported_names(&self) -> impl Iterator<Item = &str> {
        self.unsupported.values().map(|(name, _)| name.as_str())
    }
    /// Every action there is to know of: `actions.toml`.
    pub fn known() -> Result<Vec<String>, String> {
        toml::from_str::<Known>(files::KNOWN).map(|k| k.actions).map_err(|e| e.to_string())
    }
}

impl Action {
    /// Whether every function that the mapping names is there.
    pub fn names_functions_that_exist(&self) -> bool {
        let there = |name: &Option<String>, found: &dyn Fn(&str) -> bool| name.as_deref().is_none_or(found);
        there(&self.function, &|n| crate::actions::function(n).is_some())
            && there(&self.gather, &|n| crate::actions::gather(n).is_some())
            && there(&self.group, &|n| crate::actions::group(n).is_some())
            && there(&self.tail, &|n| crate::actions::tail(n).is_some())
    }

    fn read(file: File, tables: &Tables) -> Result<Self, String> {
        let request = file.request.iter().map(|(name, text)| Parameter::parse(name, text, tables)).collect::<Result<_, _>>()?;
        let (filters, tags) = match file.filters {
            Some(f) => (Some(filters(&f, tables)?), f.tags),
            None => (None, false),
        };
        Ok(Self {
            name: file.action,
            run: file.run,
            command: file.command,
            object: file.object,
            function: file.function,
            gather: file.gather,
            group: file.group,
            tail: file.tail,
            becomes: file.becomes,
            guard: file.guard,
            wire: file.wire,
            ids: file.ids.into_iter().chain(file.also_ids).collect(),
            paging: file.paging,
            from: file.from,
            native: file.native,
            request,
            filters,
            tags,
            errors: file.errors,
            answer: answer::elements(&file.answer, tables)?,
        })
    }
}

fn filters(file: &Filters, tables: &Tables) -> Result<BTreeMap<String, Option<Expression>>, String> {
    let mut all: BTreeMap<String, Option<Expression>> = file.absent.iter().map(|name| (name.clone(), None)).collect();
    for (name, text) in &file.by {
        let expression = Expression::parse(text, tables).map_err(|e| format!("filter {name}: {e}"))?;
        if all.insert(name.clone(), Some(expression)).is_some() {
            return Err(format!("filter {name} stands twice"));
        }
    }
    Ok(all)
}
