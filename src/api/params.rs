//! The types that parameters can have, and the groups that lists share.
use crate::declare::{Group, ParamMeta, Parameter};
use crate::request::Given;
use crate::resolve::Ref;
use std::collections::BTreeMap;
use stratus_engine::{Call, ListScope, ProjectChoice, ScopeRequest};
use stratus_model::{Error, Micros, Result, parse_date};
use stratus_store::{Domain, Project};

/// A time: taken as a date or date with time, printed as `2013-01-01T00:00:00+0000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub Micros);

fn text(given: &mut Given, name: &'static str, length: usize) -> Result<Option<String>> {
    match given.take(name) {
        Some(v) if v.chars().count() > length => Err(Error::invalid(name, format!("longer than {length} characters"))),
        other => Ok(other),
    }
}

/// Simple types: how each is read from its text.
macro_rules! simple {
    ($($t:ty, $kind:literal, $read:expr;)*) => { $(
        impl Parameter for $t {
            const KIND: &'static str = $kind;
            async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
                <Option<$t> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
            }
        }
        impl Parameter for Option<$t> {
            const KIND: &'static str = $kind;
            const REQUIRED: bool = false;
            async fn take(_: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
                let read: fn(&'static str, String) -> Result<$t> = $read;
                text(given, name, length)?.map(|v| read(name, v)).transpose()
            }
        }
    )* };
}
simple! {
    String, "string", |_, v| Ok(v);
    i64, "integer", |name, v| v.trim().parse().map_err(|_| Error::invalid(name, format!("'{v}' is not a whole number")));
    f64, "float", |name, v| v.trim().parse().ok().filter(|f: &f64| f.is_finite()).ok_or_else(|| Error::invalid(name, format!("'{v}' is not a number")));
    bool, "boolean", |name, v| match v.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::invalid(name, format!("'{v}' is neither true nor false"))),
    };
    Date, "date", |name, v| parse_date(v.trim()).map(Date).ok_or_else(|| Error::invalid(name, format!("'{v}' is not a date like 2013-01-31")));
}

/// Lists of simple types, comma separated. A list as a whole has no length limit; each of its values has the usual one.
macro_rules! lists {
    ($($t:ty, $read:expr;)*) => { $(
        impl Parameter for Vec<$t> {
            const KIND: &'static str = "list";
            async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
                <Option<Self> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
            }
        }
        impl Parameter for Option<Vec<$t>> {
            const KIND: &'static str = "list";
            const REQUIRED: bool = false;
            async fn take(_: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
                let Some(items) = split(given, name, length)? else { return Ok(None) };
                let read: fn(&'static str, String) -> Result<$t> = $read;
                items.into_iter().map(|v| read(name, v)).collect::<Result<_>>().map(Some)
            }
        }
    )* };
}
lists! {
    String, |_, v| Ok(v);
    i64, |name, v| v.parse().map_err(|_| Error::invalid(name, format!("'{v}' is not a whole number")));
}

/// The values of a comma list.
pub(crate) fn split(given: &mut Given, name: &'static str, length: usize) -> Result<Option<Vec<String>>> {
    let Some(all) = given.take(name) else { return Ok(None) };
    let items: Vec<String> = all.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
    match items.iter().find(|v| v.chars().count() > length) {
        Some(_) => Err(Error::invalid(name, format!("a value is longer than {length} characters"))),
        None => Ok(Some(items)),
    }
}

/// A map parameter: `name[0].key=…&name[0].value=…`.
#[derive(Debug, Clone, Default)]
pub struct MapList(pub Vec<BTreeMap<String, String>>);

impl MapList {
    /// Entries that name their own fields (`details[0].cpuNumber=2`) as one map.
    pub fn merged(&self) -> BTreeMap<String, String> {
        self.0.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
    /// Entries of the form `[n].key`, `[n].value`; a pair without a key is refused.
    pub fn pairs(&self, name: &str) -> Result<Vec<(String, Option<String>)>> {
        let one = |m: &BTreeMap<String, String>| {
            let key = m.get("key").filter(|k| !k.is_empty()).ok_or_else(|| Error::invalid(name, "an entry has no key"))?;
            Ok((key.clone(), m.get("value").cloned()))
        };
        self.0.iter().map(one).collect()
    }
}
impl Parameter for Option<MapList> {
    const KIND: &'static str = "map";
    const REQUIRED: bool = false;
    async fn take(_: &Call, given: &mut Given, name: &'static str, _: usize) -> Result<Self> {
        let maps = given.take_maps(name)?;
        Ok((!maps.is_empty()).then_some(MapList(maps)))
    }
}
impl Parameter for MapList {
    const KIND: &'static str = "map";
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        <Option<Self> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
    }
}

/// A parameter that is known and cannot be served: giving it is refused by name.
#[derive(Debug, Clone, Copy)]
pub struct Refused;
impl Parameter for Refused {
    const KIND: &'static str = "string";
    const REQUIRED: bool = false;
    async fn take(_: &Call, given: &mut Given, name: &'static str, _: usize) -> Result<Self> {
        match given.take(name).is_some() || !given.take_maps(name)?.is_empty() {
            true => Err(Error::Unsupported(format!("The parameter {name} is not supported"))),
            false => Ok(Self),
        }
    }
}

/// A parameter that is taken and changes nothing; its description says why.
#[derive(Debug, Clone, Copy)]
pub struct Ignored;
impl Parameter for Ignored {
    const KIND: &'static str = "string";
    const REQUIRED: bool = false;
    async fn take(_: &Call, given: &mut Given, name: &'static str, _: usize) -> Result<Self> {
        given.take(name);
        given.take_maps(name)?;
        Ok(Self)
    }
}

fn optional(name: &'static str, kind: &'static str, description: &'static str) -> ParamMeta {
    ParamMeta { name, description, kind, required: false, length: 255, since: None }
}

/// `page`, `pagesize` and `keyword` of every list.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    page: Option<i64>,
    pagesize: Option<i64>,
    /// Text that the thing's names must hold.
    pub keyword: Option<String>,
}

impl Paging {
    /// First row and number of rows: both parameters or neither, -1 alone for everything, at most `default.page.size`.
    pub fn range(&self, call: &Call) -> Result<(i64, i64)> {
        let most = call.settings.number("default.page.size").max(1);
        match (self.page, self.pagesize) {
            (None, None) => Ok((0, most)),
            (None, Some(-1)) => Ok((0, i64::MAX)),
            (Some(_), Some(-1)) => Err(Error::invalid("pagesize", "-1 (everything) cannot be combined with page")),
            (Some(p), Some(_)) if p < 1 => Err(Error::invalid("page", "pages are counted from 1")),
            (Some(_), Some(s)) if s < 1 => Err(Error::invalid("pagesize", "must be at least 1")),
            (Some(_), Some(s)) if s > most => Err(Error::invalid("pagesize", format!("must not be above default.page.size, {most}"))),
            (Some(p), Some(s)) => Ok((s.saturating_mul(p - 1), s)),
            (Some(_), None) => Err(Error::invalid("pagesize", "must be given together with page")),
            (None, Some(_)) => Err(Error::invalid("page", "must be given together with pagesize")),
        }
    }
}
impl Group for Paging {
    fn parameters() -> Vec<ParamMeta> {
        vec![
            optional("keyword", "string", "only things whose name holds this text"),
            optional("page", "integer", "number of the page, counted from 1; needs pagesize"),
            optional("pagesize", "integer", "things on a page; needs page"),
        ]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        Ok(Self {
            page: <Option<i64> as Parameter>::take(call, given, "page", 255).await?,
            pagesize: <Option<i64> as Parameter>::take(call, given, "pagesize", 255).await?,
            keyword: <Option<String> as Parameter>::take(call, given, "keyword", 255).await?,
        })
    }
}

/// Whose things a list shows.
#[derive(Debug, Clone, Default)]
pub struct Scoped {
    account: Option<String>,
    domain: Option<Domain>,
    recursive: bool,
    listall: bool,
    project: Option<ProjectChoice>,
}

impl Scoped {
    /// The scope; `by_id` when one thing is asked for by its id.
    pub async fn scope(&self, call: &Call, by_id: bool) -> Result<ListScope> {
        call.scope(&ScopeRequest {
            account: self.account.clone(),
            domain: self.domain.clone(),
            recursive: self.recursive,
            listall: self.listall,
            project: self.project.clone(),
            by_id,
        })
        .await
    }
}
impl Group for Scoped {
    fn parameters() -> Vec<ParamMeta> {
        vec![
            optional("account", "string", "only things of this account; of the caller's domain unless domainid is given"),
            optional("domainid", "uuid", "only things of this domain"),
            optional("isrecursive", "boolean", "with a domain, also things of those below it"),
            optional("listall", "boolean", "true for everything that the caller may see"),
            optional("projectid", "uuid", "only things of this project; -1 for those of any"),
        ]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        Ok(Self {
            account: <Option<String> as Parameter>::take(call, given, "account", 255).await?,
            domain: <Option<Ref<Domain>> as Parameter>::take(call, given, "domainid", 255).await?.map(|r| r.0),
            recursive: <Option<bool> as Parameter>::take(call, given, "isrecursive", 255).await?.unwrap_or(false),
            listall: <Option<bool> as Parameter>::take(call, given, "listall", 255).await?.unwrap_or(false),
            project: project_choice(call, given).await?,
        })
    }
}

/// `projectid` of a list: a project's id, or -1 for any.
async fn project_choice(call: &Call, given: &mut Given) -> Result<Option<ProjectChoice>> {
    if given.peek("projectid").is_some_and(|v| v.trim() == "-1") {
        given.take("projectid");
        return Ok(Some(ProjectChoice::Any));
    }
    Ok(<Option<Ref<Project>> as Parameter>::take(call, given, "projectid", 255).await?.map(|p| ProjectChoice::One(p.0)))
}

/// The `tags` filter of a list: key and value pairs, any of which fits.
#[derive(Debug, Clone, Default)]
pub struct Tags(pub Vec<(String, String)>);
impl Group for Tags {
    fn parameters() -> Vec<ParamMeta> {
        vec![optional("tags", "map", "only things with one of these tags, tags[0].key=…&tags[0].value=…")]
    }
    async fn parse(_: &Call, given: &mut Given) -> Result<Self> {
        let pair = |(key, value): (String, Option<String>)| {
            let value = value.ok_or_else(|| Error::invalid("tags", format!("the tag {key} has no value")))?;
            Ok((key, value))
        };
        MapList(given.take_maps("tags")?).pairs("tags")?.into_iter().map(pair).collect::<Result<_>>().map(Self)
    }
}
