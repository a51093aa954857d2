//! The files, compiled in: a mapping cannot be missing where the binary runs.
macro_rules! mappings {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../mappings/ec2/", $name, ".toml")))),*]
    };
}

/// Kinds, tables and shapes.
pub const TABLES: &str = include_str!("../../../mappings/ec2/tables.toml");
/// What is not served, and why.
pub const UNSUPPORTED: &str = include_str!("../../../mappings/ec2/unsupported.toml");
/// Every action there is.
pub const KNOWN: &str = include_str!("../../../mappings/ec2/actions.toml");
/// An action a file.
pub const ACTIONS: &[(&str, &str)] = mappings![
    "AllocateAddress",
    "AssociateAddress",
    "AttachVolume",
    "AuthorizeSecurityGroupIngress",
    "CreateKeyPair",
    "CreateSecurityGroup",
    "CreateTags",
    "CreateVolume",
    "DeleteKeyPair",
    "DeleteSecurityGroup",
    "DeleteTags",
    "DeleteVolume",
    "DescribeAccountAttributes",
    "DescribeAddresses",
    "DescribeAddressesAttribute",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceAttribute",
    "DescribeInstanceStatus",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeKeyPairs",
    "DescribeRegions",
    "DescribeSecurityGroups",
    "DescribeTags",
    "DescribeVolumes",
    "DetachVolume",
    "DisassociateAddress",
    "ImportKeyPair",
    "RebootInstances",
    "ReleaseAddress",
    "RevokeSecurityGroupIngress",
    "RunInstances",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
];
