using System.Reflection;
using System.Runtime.Loader;

namespace Matrix.ToDevice.Tests;

/// <summary>The assemblies of the packages, beside what they need, as an application has them in its folder.</summary>
internal sealed class PackedAssemblies(string folder) : AssemblyLoadContext
{
    public Assembly Load(Package package) => LoadFromAssemblyName(new AssemblyName(package.Id));

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        var file = Path.Combine(folder, $"{assemblyName.Name}.dll");
        return File.Exists(file) ? LoadFromAssemblyPath(file) : null;
    }
}
