//! Details of things.
use crate::declare::{AsTopic, Group, ParamMeta, Parameter};
use crate::prelude::*;
use crate::request::Given;
use crate::views::tag::{self, Tag};
use stratus_engine::detail::DetailList;
use stratus_engine::tag::Resource;

/// A thing by `resourceid` and `resourcetype`.
pub struct Thing(Resource);
impl Group for Thing {
    fn parameters() -> Vec<ParamMeta> {
        let one = |name, description| ParamMeta { name, description, kind: "string", required: true, length: 255, since: None };
        vec![one("resourceid", "the ID of the thing"), one("resourcetype", "its type: UserVm, Volume, Nic, Template …")]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let id = <String as Parameter>::take(call, given, "resourceid", 255).await?;
        let word = <String as Parameter>::take(call, given, "resourcetype", 255).await?;
        Ok(Self(call.resource_of(&word, &id).await?))
    }
}
impl AsTopic for Thing {
    fn topic(&self) -> Topic {
        Topic { account: self.0.account, domain: self.0.domain, kind: self.0.kind, id: self.0.id }
    }
}

/// Writes details of a thing.
#[derive(Command)]
#[command(
    name = "addResourceDetail",
    roles = "admin",
    since = "4.2",
    event = "CREATE_RESOURCE_DETAILS",
    job = "adding details",
    on = "thing",
    wrapper = "addResourceDetailresponse"
)]
pub struct Add {
    /// the details, details[0].key=…&details[0].value=…
    details: MapList,
    #[param(flatten)]
    thing: Thing,
}
impl Run for Add {
    async fn run(self, call: &Call) -> Result<Answer> {
        let value = |(key, value): (String, Option<String>)| {
            let value = value.ok_or_else(|| Error::invalid("details", format!("the detail {key} has no value")))?;
            Ok((key, value))
        };
        let details = self.details.pairs("details")?.into_iter().map(value).collect::<Result<_>>()?;
        call.details_add(call, self.thing.0, details).await?;
        Ok(Answer::success())
    }
}

/// Takes details of a thing away.
#[derive(Command)]
#[command(
    name = "removeResourceDetail",
    roles = "admin",
    since = "4.2",
    event = "DELETE_RESOURCE_DETAILS",
    job = "removing details",
    on = "thing"
)]
pub struct Remove {
    /// the key of the only one that is to go
    key: Option<String>,
    #[param(flatten)]
    thing: Thing,
}
impl Run for Remove {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.details_remove(call, self.thing.0, self.key).await?;
        Ok(Answer::success())
    }
}

/// Lists the details of a thing.
#[derive(Command)]
#[command(name = "listResourceDetails", roles = "all", since = "4.2", answer = "resourcedetail", view = Tag)]
pub struct List {
    /// the ID of the thing
    resourceid: String,
    /// its type
    resourcetype: String,
    /// only those that are shown to owners; all of them are
    #[param(kind = "boolean", since = "4.3")]
    fordisplay: Ignored,
    /// only the detail with this key
    key: Option<String>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let _ = self.fordisplay;
        let page = self.page.range(call)?;
        let ask = DetailList {
            scope: self.scoped.scope(call, true).await?,
            resource_type: self.resourcetype,
            resource: self.resourceid,
            key: self.key,
            keyword: self.page.keyword,
            page,
        };
        let found = call.detail_list(ask).await?;
        Ok(Answer::list(found.count, tag::details(call, found.rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Add>();
    r.add::<Remove>();
    r.add::<List>();
}
