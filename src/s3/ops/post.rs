//! Uploads by form: a policy that somebody signed lets the holder of the form put one object.
use crate::access::Act;
use crate::acl::Acl;
use crate::body::{MOST, Receiver};
use crate::form::{Fields, Form};
use crate::meta::{Meta, put as header};
use crate::ops::{put, tagging};
use crate::request::{Request, Signed, checked_key};
use crate::respond::{Answer, document, empty};
use crate::text::url;
use crate::xml::Xml;
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use http_body_util::BodyExt;
use std::sync::Arc;
use stratus_engine::bucket_object::ObjectDraft;
use stratus_sigs::{Policy, policy};

/// A field, its name in any case.
fn field<'a>(f: &'a Fields, name: &str) -> Option<&'a str> {
    f.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
}

pub async fn post(door: &Arc<Door>, r: &mut Request, mut body: Body) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    let mut form = Form::of(r.header("content-type").unwrap_or_default())?;
    let mut data = Vec::new();
    while !form.in_file() {
        let Some(piece) = next(&mut body).await? else { break };
        form.push(&piece, &mut data, true)?;
    }
    if !form.in_file() {
        form.finish()?;
        return Err(Fault::argument("file", "", "POST requires exactly one file upload per request."));
    }
    let fields = form.fields.clone();
    let limits = believe(door, r, &fields).await?;
    let key = stratus_sigs::Form { fields: &fields.fields, bucket: &bucket.name, filename: &fields.filename }.key()?;
    r.key = Some(checked_key(key)?);
    as_headers(r, &fields);
    door.allow(r, &bucket, Act::key("s3:PutObject", r.key()))?;
    put::only_offered(r)?;
    let (account_id, uuid) = put::owner(door, r, &bucket).await?;
    let (bucket_owner, _) = door.owner(bucket.account_id).await?;
    let acl = Acl::canned(field(&fields, "acl").unwrap_or("private"), &uuid, &bucket_owner)?;
    let mut meta = Meta::of_pairs(fields.fields.iter().map(|(n, v)| (n.as_str(), v.as_bytes())))?;
    let tags = match field(&fields, "tagging") {
        Some(t) => tagging::write(&tagging::of_document(t.as_bytes(), tagging::OBJECT)?),
        None => None,
    };

    let checksum = crate::body::sent_checksum(r)?;
    let mut receiver = Receiver::new(door.blobs.clone(), false, checksum.iter().map(|c| c.0).collect());
    let mut size = 0;
    form.push(&[], &mut data, false)?;
    loop {
        size += data.len() as u64;
        if size > limits.1 {
            return Err(Fault::new("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
                .with("MaxSizeAllowed", limits.1.to_string()));
        }
        receiver.push(&data).await?;
        data.clear();
        let Some(piece) = next(&mut body).await? else { break };
        form.push(&piece, &mut data, false)?;
    }
    form.finish()?;
    if size < limits.0 {
        return Err(Fault::new("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
            .with("MinSizeAllowed", limits.0.to_string()));
    }
    let received = receiver.received().await?;
    if let Some((a, wanted)) = checksum
        && !received.checksums.iter().any(|c| c.value == wanted)
    {
        return Err(Fault::new("BadDigest", format!("The {} you specified did not match the calculated checksum.", a.name())));
    }
    door.count_in(r, received.size);
    meta.checksums = received.checksums.clone();
    let draft = ObjectDraft {
        key: r.key().to_owned(),
        size: received.size,
        etag: received.md5.clone(),
        meta: meta.write(),
        acl: acl.write(),
        tags,
        account_id,
        ..ObjectDraft::default()
    };
    let written = put::commit(door, r, &bucket, draft, received).await?;
    let location = format!("http://{}{}/{}/{}", r.header("host").unwrap_or_default(), r.prefix, bucket.name, url(r.key()));
    let mut answer = done(&fields, &bucket.name, r.key(), &written.object.etag, &location);
    put::show(&written, answer.headers_mut());
    Ok(answer)
}

async fn next(body: &mut Body) -> Outcome<Option<axum::body::Bytes>> {
    loop {
        let Some(frame) = body.frame().await else { return Ok(None) };
        let frame = frame.map_err(|_| Fault::new("IncompleteBody", "The request body ended too early"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Who signed the form, and how long its file may be. An unsigned form may do what everybody may.
async fn believe(door: &Door, r: &mut Request, f: &Fields) -> Outcome<(u64, u64)> {
    let Some(presented) = policy::detect(&f.fields)? else {
        if field(f, "policy").is_some() {
            return Err(Fault::denied());
        }
        return Ok((0, MOST));
    };
    let (caller, _) = door.believe(&presented).await?;
    let version = if f.fields.iter().any(|(n, _)| n.eq_ignore_ascii_case("x-amz-credential")) { "AWS4-HMAC-SHA256" } else { "AWS" };
    r.signed = Signed { how: "POST", version };
    r.who = Some(caller);
    let policy = Policy::parse(field(f, "policy").unwrap_or_default())?;
    policy.check(&stratus_sigs::Form { fields: &f.fields, bucket: r.bucket(), filename: &f.filename })?;
    let (low, high) = (*policy.length().start(), *policy.length().end());
    Ok((low, high.min(MOST)))
}

/// Fields that other requests have as headers: so that every check of headers is made of them too.
fn as_headers(r: &mut Request, f: &Fields) {
    for (name, value) in f.fields.iter().filter(|(n, _)| n.to_ascii_lowercase().starts_with("x-amz-")) {
        header(&mut r.headers, &name.to_ascii_lowercase(), value);
    }
}

/// The answer that the form asks for.
fn done(f: &Fields, bucket: &str, key: &str, etag: &str, location: &str) -> Answer {
    let redirect = field(f, "success_action_redirect").or(field(f, "redirect"));
    if let Some(to) = redirect.filter(|to| to.starts_with("http://") || to.starts_with("https://")) {
        let glue = if to.contains('?') { '&' } else { '?' };
        let mut answer = empty(303);
        let tag = url(&format!("\"{etag}\""));
        header(
            answer.headers_mut(),
            "location",
            &format!("{to}{glue}bucket={}&key={}&etag={tag}", url(bucket), url(key).replace('/', "%2F")),
        );
        return answer;
    }
    let mut answer = match field(f, "success_action_status") {
        Some("200") => empty(200),
        Some("201") => {
            let mut x = Xml::new();
            x.open("PostResponse").text("Location", location).text("Bucket", bucket).text("Key", key).text("ETag", &format!("\"{etag}\""));
            let mut answer = document(x.done());
            *answer.status_mut() = http::StatusCode::CREATED;
            answer
        }
        _ => empty(204),
    };
    header(answer.headers_mut(), "location", location);
    answer
}
