use crate::conceal;
use crate::prelude::*;

/// A job.
#[derive(View)]
pub struct AsyncJob {
    /// the ID of the account that asked for it
    pub accountid: Option<String>,
    /// the ID of the user who asked for it
    pub userid: Option<String>,
    /// the command that it carries out
    pub cmd: String,
    /// 0 while it is not over, 1 when it succeeded, 2 when it failed
    pub jobstatus: i32,
    /// how far it has come; 0 where the command does not say
    pub jobprocstatus: i32,
    /// 0, or the error code of a failed job
    pub jobresultcode: i32,
    /// object or text: what the result is
    pub jobresulttype: Option<String>,
    /// the command's answer, or errorcode and errortext
    pub jobresult: Option<serde_json::Value>,
    /// the type of the thing that it works on
    pub jobinstancetype: Option<String>,
    /// the ID of the thing that it works on
    pub jobinstanceid: Option<String>,
    /// when it was asked for
    pub created: Date,
    /// the ID of the job
    pub jobid: String,
}

/// One job with its whole result.
pub(crate) async fn whole(call: &Call, row: store::Job) -> Result<Option<AsyncJob>> {
    page(call, vec![row], &|result| conceal::open(&call.sealer, result)).await.map(|mut page| page.pop())
}

/// A page of jobs; passwords in their results are for [`whole`] only.
pub(crate) async fn of(call: &Call, rows: Vec<store::Job>) -> Result<Vec<AsyncJob>> {
    let strip = |result: &mut serde_json::Value| {
        conceal::strip(result);
        Ok(())
    };
    page(call, rows, &strip).await
}

type Change<'a> = &'a (dyn Fn(&mut serde_json::Value) -> Result<()> + Send + Sync);

async fn page(call: &Call, rows: Vec<store::Job>, change: Change<'_>) -> Result<Vec<AsyncJob>> {
    let beside = call.job_company(&rows).await?;
    let short = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    let one = |j: store::Job| {
        let instance = j.instance_type.clone().zip(j.instance_id).and_then(|key| beside.instances.get(&key).cloned());
        // A result that is no JSON would be an old server's; it is then a text, as the field says.
        let mut result = j.result.map(|r| serde_json::from_str(&r).unwrap_or(serde_json::Value::String(r)));
        result.as_mut().map(change).transpose()?;
        Ok(AsyncJob {
            accountid: beside.accounts.get(&j.account_id).map(|a| a.uuid.clone()),
            userid: beside.users.get(&j.user_id).map(|u| u.uuid.clone()),
            cmd: format!("org.apache.cloudstack.api.command.{}", j.command),
            jobstatus: short(j.status),
            jobprocstatus: short(j.process_status),
            jobresultcode: short(j.result_code),
            jobresulttype: result.as_ref().map(|r| if r.is_string() { "text" } else { "object" }.to_owned()),
            jobresult: result,
            jobinstancetype: j.instance_type,
            jobinstanceid: instance,
            created: Date(j.created),
            jobid: j.uuid,
        })
    };
    rows.into_iter().map(one).collect()
}
