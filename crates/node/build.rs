//! Link settings of the Node addon.

fn main() {
    napi_build::setup();
    // A worker's end unloads the library while another thread may still be inside it.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
