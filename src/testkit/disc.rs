//! A disc that a VM boots from: the smallest installer there is says a word on the serial console and does not listen to the power button.

/// Bytes of a sector.
const SECTOR: usize = 2048;
/// Where the boot catalogue is, what is booted, and a line to be read from a running system.
const CATALOGUE: usize = 19;
const PROGRAM: usize = 20;
/// The sector that begins with the line.
pub const LINE: usize = 21;
/// What the disc's program says when it is booted.
pub const SAYS: &str = "INSTALLER READY";

/// Runs in real mode at 0000:7C00: sends the text behind it to the first serial port, then halts for ever.
const CODE: [u8; 34] = [
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0xfc, // cld
    0xbe, 0x22, 0x7c, // mov si, 7C22h: behind this code
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x12, // jz halt
    0x88, 0xc3, // mov bl, al
    0xba, 0xfd, 0x03, // mov dx, 3FDh: line status
    0xec, // wait: in al, dx
    0xa8, 0x20, // test al, 20h: room for a byte
    0x74, 0xfb, // jz wait
    0xba, 0xf8, 0x03, // mov dx, 3F8h: data
    0x88, 0xd8, // mov al, bl
    0xee, // out dx, al
    0xeb, 0xe9, // jmp next
    0xf4, // halt: hlt
    0xeb, 0xfd, // jmp halt
];

/// The disc's bytes (ISO 9660 with an El Torito boot record, no files), with a line in sector [`LINE`].
pub fn disc(line: &str) -> Vec<u8> {
    let mut all = vec![0; 64 * SECTOR];
    let mut put = |sector: usize, at: usize, bytes: &[u8]| {
        let from = sector * SECTOR + at;
        all[from..from + bytes.len()].copy_from_slice(bytes);
    };
    put(16, 0, b"\x01CD001\x01");
    put(16, 40, b"INSTALLER                       ");
    put(16, 80, &64_u32.to_le_bytes());
    put(17, 0, b"\x00CD001\x01EL TORITO SPECIFICATION");
    put(17, 0x47, &(CATALOGUE as u32).to_le_bytes());
    put(18, 0, b"\xffCD001\x01");
    // The validation entry, whose 16-bit words add up to nothing, and the one entry: bootable, no emulation, four sectors of 512 bytes.
    put(CATALOGUE, 0, &[1]);
    put(CATALOGUE, 28, &[0xaa, 0x55, 0x55, 0xaa]);
    put(CATALOGUE, 32, &[0x88, 0, 0, 0, 0, 0, 4, 0]);
    put(CATALOGUE, 40, &(PROGRAM as u32).to_le_bytes());
    put(PROGRAM, 0, &CODE);
    put(PROGRAM, CODE.len(), format!("{SAYS}\r\n\0").as_bytes());
    put(LINE, 0, format!("{line}\n").as_bytes());
    all
}
