//! Guest operating systems and their families: a fixed list, there from the first start.
use crate::{Engine, Listing};
use stratus_model::Result;
use stratus_store::{OsCategory, OsType, Query, Tx};
use uuid::Uuid;

/// The families and the systems of each that a fresh database has, in the order of their keys.
const SYSTEMS: &[(&str, &[&str])] = &[
    (
        "CentOS",
        &[
            "CentOS 5.3 (32-bit)",
            "CentOS 5.3 (64-bit)",
            "CentOS 5.5 (32-bit)",
            "CentOS 5.5 (64-bit)",
            "CentOS 5.6 (32-bit)",
            "CentOS 5.6 (64-bit)",
            "CentOS 6.0 (64-bit)",
            "CentOS 6.4 (64-bit)",
        ],
    ),
    (
        "Debian",
        &[
            "Debian GNU/Linux 5.0 (32-bit)",
            "Debian GNU/Linux 6(32-bit)",
            "Debian GNU/Linux 6(64-bit)",
            "Debian GNU/Linux 7(32-bit)",
            "Debian GNU/Linux 7(64-bit)",
        ],
    ),
    ("Oracle", &["Oracle Enterprise Linux 5.5 (64-bit)", "Oracle Enterprise Linux 6.0 (64-bit)"]),
    (
        "RedHat",
        &[
            "Red Hat Enterprise Linux 5.5 (32-bit)",
            "Red Hat Enterprise Linux 5.5 (64-bit)",
            "Red Hat Enterprise Linux 6.0 (64-bit)",
            "Red Hat Enterprise Linux 6.4 (64-bit)",
            "Fedora 13",
        ],
    ),
    ("SUSE", &["SUSE Linux Enterprise Server 10 SP1 (64-bit)", "SUSE Linux Enterprise Server 11 (64-bit)"]),
    (
        "Windows",
        &[
            "Windows 7 (32-bit)",
            "Windows 7 (64-bit)",
            "Windows Server 2003 Standard Edition(32-bit)",
            "Windows Server 2008 (64-bit)",
            "Windows Server 2008 R2 (64-bit)",
            "Windows Server 2012 (64-bit)",
            "Windows 8 (64-bit)",
            "Windows PV",
        ],
    ),
    (
        "Other",
        &["Other (32-bit)", "Other (64-bit)", "Other PV (32-bit)", "Other PV (64-bit)", "Other Linux (32-bit)", "Other Linux (64-bit)"],
    ),
    ("Novel", &["Novell Netware 6.x", "Open Enterprise Server"]),
    ("Unix", &["FreeBSD (32-bit)", "FreeBSD (64-bit)", "Sun Solaris 10(64-bit)"]),
    (
        "Ubuntu",
        &[
            "Ubuntu 8.04 (64-bit)",
            "Ubuntu 10.04 (32-bit)",
            "Ubuntu 10.04 (64-bit)",
            "Ubuntu 12.04 (32-bit)",
            "Ubuntu 12.04 (64-bit)",
            "Other Ubuntu (64-bit)",
        ],
    ),
    ("None", &["None"]),
];

/// Writes the operating systems of a fresh database.
pub async fn seed_os_types(tx: &mut Tx) -> Result<()> {
    for (category, names) in SYSTEMS {
        let mut family = OsCategory { uuid: Uuid::new_v4().to_string(), name: (*category).into(), ..Default::default() };
        tx.insert(&mut family).await?;
        let rows: Vec<OsType> = names
            .iter()
            .map(|n| OsType { uuid: Uuid::new_v4().to_string(), category_id: family.id, name: (*n).into(), ..Default::default() })
            .collect();
        tx.insert_all(&rows).await?;
    }
    Ok(())
}

/// Which operating systems to list.
#[derive(Debug, Clone, Default)]
pub struct OsTypeList {
    /// This one only.
    pub id: Option<i64>,
    /// Of this family.
    pub category: Option<i64>,
    /// Whose name holds this.
    pub description: Option<String>,
    /// Whose name holds this too.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

impl Engine {
    /// Lists operating systems.
    pub async fn os_type_list(&self, ask: OsTypeList) -> Result<Listing<OsType>> {
        let mut q = Query::all().eq_opt("id", ask.id).eq_opt("category_id", ask.category);
        for text in [&ask.description, &ask.keyword].into_iter().flatten() {
            q = q.holds(&["name"], text);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<OsType>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// Lists families of operating systems.
    pub async fn os_category_list(
        &self,
        id: Option<i64>,
        name: Option<String>,
        keyword: Option<String>,
        page: (i64, i64),
    ) -> Result<Listing<OsCategory>> {
        let mut q = Query::all().eq_opt("id", id).eq_opt("name", name);
        if let Some(k) = keyword {
            q = q.holds(&["name"], &k);
        }
        Ok(Listing { count: self.db.count::<OsCategory>(q.clone()).await?, rows: self.db.find(q.page(page.0, page.1)).await? })
    }
}

impl Engine {
    /// The type of what runs no guest of its own: data ISOs.
    pub async fn os_type_none(&self) -> Result<OsType> {
        let other = Query::all().eq("name", "None");
        let found = match self.db.find_one::<OsType>(other).await? {
            Some(os) => Some(os),
            None => self.db.find_one(Query::all()).await?,
        };
        found.ok_or_else(|| stratus_model::Error::internal("there are no OS types"))
    }
}
