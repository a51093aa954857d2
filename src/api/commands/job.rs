use crate::prelude::*;
use crate::views::job::AsyncJob;
use stratus_engine::ScopeRequest;
use stratus_engine::job::JobFilter;

/// Tells how a job stands, and its result once it is over.
#[derive(Command)]
#[command(name = "queryAsyncJobResult", roles = "all", view = AsyncJob)]
pub struct QueryAsyncJobResult {
    /// the ID of the job
    jobid: Ref<store::Job>,
}
impl Run for QueryAsyncJobResult {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.job_seen(call, &self.jobid.0).await?;
        let shown = views::job::whole(call, self.jobid.0).await?;
        shown.map(Answer::inline).ok_or_else(|| Error::internal("a job without its answer"))
    }
}

/// Lists jobs.
#[derive(Command)]
#[command(name = "listAsyncJobs", roles = "all", answer = "asyncjobs", view = AsyncJob)]
pub struct ListAsyncJobs {
    /// only jobs that this account asked for; of the caller's domain unless domainid is given
    account: Option<String>,
    /// only jobs of this domain
    domainid: Option<Ref<store::Domain>>,
    /// with a domain, also jobs of those below it
    #[param(since = "3.0")]
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    #[param(since = "3.0")]
    listall: Option<bool>,
    /// only jobs since then
    #[param(kind = "tzdate")]
    startdate: Option<Date>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListAsyncJobs {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = ScopeRequest {
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            ..Default::default()
        };
        let filter = JobFilter { start: self.startdate.map(|d| d.0), page: self.page.range(call)?, keyword: self.page.keyword };
        let found = call.job_list(&call.scope(&scope).await?, filter).await?;
        Ok(Answer::list(found.count, views::job::of(call, found.rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<QueryAsyncJobResult>();
    r.add::<ListAsyncJobs>();
}
