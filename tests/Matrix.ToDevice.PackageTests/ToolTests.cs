namespace Matrix.ToDevice.Tests;

/// <summary>The tool as an operator gets it.</summary>
internal sealed class ToolTests
{
    [Test]
    public async Task The_tool_is_installed_from_its_package_and_works()
    {
        var folder = Packed.NewFolder("tool");
        await CommandLine.RunAsync(CommandLine.Of(
            folder, "dotnet", "tool", "install", "Matrix.ToDevice.Tool", "--version", Checkout.Version, "--tool-path", folder, "--source", Packed.Feed));
        var (tool, store, export) = (Path.Combine(folder, "matrix-to-device"), Path.Combine(folder, "todevice.db"), Path.Combine(folder, "it.export"));

        await RunAsync("migrate", store, "--create");
        var said = await RunAsync("inspect", store);
        Assert.That(said, Does.Contain("schema version").And.Contain("No server has it open."));
        await RunAsync("verify", store);
        await RunAsync("export", store, export);
        Assert.That(await RunAsync("import", Path.Combine(folder, "other.db"), export), Does.Contain("is in"));
        Assert.That(await RunAsync("--version"), Does.StartWith(Checkout.Version));

        Task<string> RunAsync(params string[] arguments) => CommandLine.RunAsync(CommandLine.Of(folder, tool, arguments));
    }
}
