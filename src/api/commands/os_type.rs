//! Operating systems and their families.
use crate::prelude::*;
use crate::views::os_type;
use stratus_engine::os_type::OsTypeList;

found!(OsType => Kind::GuestOs);

/// Lists operating systems.
#[derive(Command)]
#[command(name = "listOsTypes", roles = "all", answer = "ostype", view = os_type::OsType)]
pub struct ListOsTypes {
    /// only the OS type with this ID
    id: Option<Ref<store::OsType>>,
    /// only those of the family with this ID
    oscategoryid: Option<Ref<store::OsCategory>>,
    /// only those whose name holds this text
    #[param(since = "3.0")]
    description: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListOsTypes {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let ask = OsTypeList {
            id: self.id.map(|i| i.0.id),
            category: self.oscategoryid.map(|c| c.0.id),
            description: self.description,
            keyword: self.page.keyword,
            page,
        };
        let found = call.os_type_list(ask).await?;
        Ok(Answer::list(found.count, os_type::of(call, found.rows).await?))
    }
}

/// Lists families of operating systems.
#[derive(Command)]
#[command(name = "listOsCategories", roles = "all", answer = "oscategory", view = os_type::OsCategory)]
pub struct ListOsCategories {
    /// only the family with this ID
    id: Option<Ref<store::OsCategory>>,
    /// only the family with this name
    #[param(since = "3.0")]
    name: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListOsCategories {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let found = call.os_category_list(self.id.map(|i| i.0.id), self.name, self.page.keyword, page).await?;
        let views = found.rows.into_iter().map(|c| os_type::OsCategory { id: c.uuid, name: c.name }).collect();
        Ok(Answer::list(found.count, views))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListOsTypes>();
    r.add::<ListOsCategories>();
}
