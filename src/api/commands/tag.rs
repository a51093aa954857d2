//! Tags on things.
use crate::declare::{Group, ParamMeta, Parameter};
use crate::prelude::*;
use crate::request::Given;
use crate::views::tag as view;
use stratus_engine::tag::{Resource, TagList};

/// The things that tags are put on or taken off: `resourceids` of one `resourcetype`, each of which the caller may touch.
pub struct Things(Vec<Resource>);
impl Group for Things {
    fn parameters() -> Vec<ParamMeta> {
        let one = |name, description, kind| ParamMeta { name, description, kind, required: true, length: 255, since: None };
        vec![
            one("resourceids", "the IDs of the things, comma separated", "list"),
            one("resourcetype", "the type of the things: UserVm, Template, Volume, SecurityGroup …", "string"),
        ]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let ids = <Vec<String> as Parameter>::take(call, given, "resourceids", 255).await?;
        let word = <String as Parameter>::take(call, given, "resourcetype", 255).await?;
        Ok(Self(call.resources_of(&word, &ids).await?))
    }
}

/// The things and the tags to put on them; a tag that is there is refused before a job is made.
pub struct NewTags {
    things: Things,
    tags: Vec<(String, String)>,
}
impl Group for NewTags {
    fn parameters() -> Vec<ParamMeta> {
        let mut all = Things::parameters();
        let description = "the tags, tags[0].key=…&tags[0].value=…";
        all.push(ParamMeta { name: "tags", description, kind: "map", required: true, length: 255, since: None });
        all
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let things = Things::parse(call, given).await?;
        let tags = <MapList as Parameter>::take(call, given, "tags", 255).await?;
        let tags: Vec<(String, String)> = tags.pairs("tags")?.into_iter().map(|(k, v)| (k, v.unwrap_or_default())).collect();
        if call.job.is_none() {
            call.tags_new(&things.0, &tags).await?;
        }
        Ok(Self { things, tags })
    }
}

/// Puts tags on things.
#[derive(Command)]
#[command(name = "createTags", roles = "all", event = "CREATE_TAGS", job = "putting tags on things", since = "4.0")]
pub struct Create {
    #[param(flatten)]
    new: NewTags,
    /// the customer that the tags are for
    customer: Option<String>,
}
impl Run for Create {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.tags_create(call, self.new.things.0, self.new.tags, self.customer).await?;
        Ok(Answer::success())
    }
}

/// Takes tags off things.
#[derive(Command)]
#[command(name = "deleteTags", roles = "all", event = "DELETE_TAGS", job = "taking tags off things", since = "4.0")]
pub struct Delete {
    #[param(flatten)]
    things: Things,
    /// the tags by key, or key and value; all when left out
    tags: Option<MapList>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        let tags = self.tags.unwrap_or_default().pairs("tags")?;
        call.tags_delete(call, self.things.0, tags).await?;
        Ok(Answer::success())
    }
}

/// Lists tags.
#[derive(Command)]
#[command(name = "listTags", roles = "all", answer = "tag", view = view::Tag, since = "4.0")]
pub struct List {
    /// only tags made for this customer
    customer: Option<String>,
    /// only tags with this key
    key: Option<String>,
    /// only tags of the thing with this ID
    resourceid: Option<String>,
    /// only tags of things of this type
    resourcetype: Option<String>,
    /// only tags with this value
    value: Option<String>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let scope = self.scoped.scope(call, false).await?;
        let ask = TagList {
            scope,
            resource_type: self.resourcetype,
            resource: self.resourceid,
            key: self.key,
            value: self.value,
            customer: self.customer,
            keyword: self.page.keyword,
            page,
        };
        let found = call.tag_list(ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Create>();
    r.add::<Delete>();
    r.add::<List>();
}
