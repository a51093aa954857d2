//! Calls of libvirt for which `virt` 0.4.3 has no wrapper (backup, block jobs), or one that does not do: its statistics of domains are a
//! raw pointer that nobody frees, and its statistics of a job make a `Vec` of a null pointer when there is no job. The one file of this
//! repository with unsafe code. Texts come in as `CStr`, which their owner frees; what the library allocates is freed here.
#![allow(unsafe_code, reason = "functions of a C library")]
use std::ffi::{CStr, c_int};
use std::ptr::{null, null_mut};
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

/// Names and numbers that the library says of something.
pub(super) type Numbers = Vec<(String, u64)>;

/// The library says "no" with a negative number and why in a variable of the thread.
fn done(code: c_int) -> Result<c_int, Error> {
    if code < 0 { Err(Error::last_error()) } else { Ok(code) }
}

/// `virDomainBackupBegin`, without a checkpoint.
pub(super) fn backup(domain: &Domain, xml: &CStr) -> Result<(), Error> {
    // SAFETY: the domain and the text outlive the call; no checkpoint is what null says.
    done(unsafe { sys::virDomainBackupBegin(domain.as_ptr(), xml.as_ptr(), null(), 0) }).map(drop)
}

/// `virDomainBlockCopy`, without parameters; `flags` are of `virDomainBlockCopyFlags`.
pub(super) fn block_copy(domain: &Domain, disk: &CStr, xml: &CStr, flags: u32) -> Result<(), Error> {
    // SAFETY: the domain and the texts outlive the call; no parameters are null and 0.
    done(unsafe { sys::virDomainBlockCopy(domain.as_ptr(), disk.as_ptr(), xml.as_ptr(), null_mut(), 0, flags) }).map(drop)
}

/// `virDomainGetBlockJobInfo`: (done, all), none when no job runs on the disk.
pub(super) fn block_job(domain: &Domain, disk: &CStr) -> Result<Option<(u64, u64)>, Error> {
    let mut info = sys::virDomainBlockJobInfo { type_: 0, bandwidth: 0, cur: 0, end: 0 };
    // SAFETY: the domain, the text and the place for the answer outlive the call.
    let found = done(unsafe { sys::virDomainGetBlockJobInfo(domain.as_ptr(), disk.as_ptr(), &raw mut info, 0) })?;
    Ok((found != 0).then_some((info.cur, info.end)))
}

/// `virDomainBlockJobAbort`; `flags` are of `virDomainBlockJobAbortFlags`.
pub(super) fn block_job_end(domain: &Domain, disk: &CStr, flags: u32) -> Result<(), Error> {
    // SAFETY: the domain and the text outlive the call.
    done(unsafe { sys::virDomainBlockJobAbort(domain.as_ptr(), disk.as_ptr(), flags) }).map(drop)
}

/// `virDomainGetJobStats`: the kind, a `virDomainJobType`, and what went wrong in one that has ended; `flags` are of
/// `virDomainGetJobStatsFlags`.
pub(super) fn job(domain: &Domain, flags: u32) -> Result<(c_int, Option<String>), Error> {
    let (mut kind, mut first, mut count) = (0, null_mut(), 0);
    // SAFETY: the domain and the places for the answer outlive the call.
    let answer = done(unsafe { sys::virDomainGetJobStats(domain.as_ptr(), &raw mut kind, &raw mut first, &raw mut count, flags) });
    let mut why = null();
    // SAFETY: what the call allocated, `count` of them, or still null and 0. The text that is found belongs to them, so it is copied
    // before they are freed; nothing refers to them afterwards.
    let why = unsafe {
        let found = sys::virTypedParamsGetString(first, count, c"errmsg".as_ptr(), &raw mut why);
        let why = (found == 1 && !why.is_null()).then(|| CStr::from_ptr(why).to_string_lossy().into_owned());
        sys::virTypedParamsFree(first, count);
        why
    };
    answer.map(|_| (kind, why))
}

/// `virConnectGetAllDomainStats`: each domain's name and numbers; `stats` are of `virDomainStatsTypes`, `flags` of
/// `virConnectGetAllDomainStatsFlags`.
pub(super) fn stats(connect: &Connect, stats: u32, flags: u32) -> Result<Vec<(String, Numbers)>, Error> {
    let mut records = null_mut();
    // SAFETY: the connection and the place for the answer outlive the call.
    let count = done(unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), stats, &raw mut records, flags) })?;
    // SAFETY: the call succeeded, so `records` is an array of `count` pointers to records, each with its parameters and its domain,
    // whose name lives as long as the domain. All is copied before the array is freed, which is then not used again.
    unsafe {
        let each = (0..count as usize).map(|i| {
            let record = &**records.add(i);
            let name = CStr::from_ptr(sys::virDomainGetName(record.dom)).to_string_lossy().into_owned();
            (name, numbers(record.params, record.nparams))
        });
        let all = each.collect();
        sys::virDomainStatsRecordListFree(records);
        Ok(all)
    }
}

/// What is a number among parameters.
///
/// # Safety
/// `first` points at `count` parameters as the library writes them, unless `count` is 0.
unsafe fn numbers(first: *const sys::virTypedParameter, count: c_int) -> Numbers {
    let number = |i| {
        // SAFETY: `i` is below `count`; the kind says which of the values was written.
        let (parameter, value) = unsafe {
            let parameter = &*first.add(i);
            let value = match parameter.type_ as u32 {
                sys::VIR_TYPED_PARAM_INT => u64::try_from(parameter.value.i).unwrap_or(0),
                sys::VIR_TYPED_PARAM_UINT => u64::from(parameter.value.ui),
                sys::VIR_TYPED_PARAM_LLONG => u64::try_from(parameter.value.l).unwrap_or(0),
                sys::VIR_TYPED_PARAM_ULLONG => parameter.value.ul,
                _ => return None,
            };
            (parameter, value)
        };
        // `c_char` is signed on some machines; the names are ASCII.
        let name = parameter.field.iter().map(|letter| *letter as u8).take_while(|letter| *letter != 0);
        Some((name.map(char::from).collect(), value))
    };
    (0..usize::try_from(count).unwrap_or(0)).filter_map(number).collect()
}
