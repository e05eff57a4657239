using CustomStore;
using Matrix.ToDevice;

// The store is EntityFrameworkStore.cs, what a homeserver writes beside it is Homeserver.cs. This runs the conformance
// kit on the store, in a folder that is deleted afterwards.
var folder = Directory.CreateTempSubdirectory("custom-store-");
try
{
    var report = await ConformanceKit.RunAsync(new CustomStoreTarget(folder.FullName));
    Console.WriteLine(report);
    return report.Succeeded ? 0 : 1;
}
finally
{
    folder.Delete(recursive: true);
}
