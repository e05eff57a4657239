// A store's own test program.
using Matrix.ToDevice;
using Matrix.ToDevice.Tests;

// Matrix.ToDevice.Conformance block 5

// Matrix.ToDevice.Conformance block 1
