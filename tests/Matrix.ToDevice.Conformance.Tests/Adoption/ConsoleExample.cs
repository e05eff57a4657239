namespace Matrix.ToDevice.Adoption;

internal static class ConsoleExample
{
    public static async Task<int> RunAsync()
    {
        // <package-console>
        var report = await ConformanceKit.RunAsync(new MyStoreTarget());
        Console.WriteLine(report);
        return report.Succeeded ? 0 : 1;
        // </package-console>
    }
}
