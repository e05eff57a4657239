using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Spectre.Console;

namespace Matrix.ToDevice.Tool;

/// <summary>What a command says: tables and lines for people, or one JSON object for programs.</summary>
internal sealed class Printer
{
    private const int PipeWidth = 240;

    private readonly IAnsiConsole _console;

    public Printer(bool json)
    {
        IsJson = json;
        _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        // Whoever reads it from a file wants no line to be broken.
        if (Console.IsOutputRedirected) _console.Profile.Width = PipeWidth;
    }

    public bool IsJson { get; }

    public void Line(string text)
    {
        if (!IsJson) _console.WriteLine(Visible.Of(text));
    }

    public void Table(string[] columns, IEnumerable<string[]> rows)
    {
        if (IsJson) return;
        var table = new Table { Border = TableBorder.Simple };
        // What stands behind the first columns are numbers and times, mostly.
        foreach (var column in columns)
        {
            var one = new TableColumn(new Text(column.TrimStart('#')));
            table.AddColumn(column.StartsWith('#') ? one.RightAligned() : one);
        }

        // Never as markup: a device may be called [red].
        foreach (var row in rows) table.AddRow(row.Select(cell => new Text(Visible.Of(cell))));
        _console.Write(table);
    }

    public void Json<T>(T value, JsonTypeInfo<T> type)
    {
        if (IsJson) Console.Out.WriteLine(JsonSerializer.Serialize(value, type));
    }

    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    public static string Bytes(long bytes) => bytes switch
    {
        < 10_000 => $"{Number(bytes)} B",
        < 10_000_000 => $"{Number(bytes / 1000)} kB",
        _ => $"{Number(bytes / 1_000_000)} MB",
    };

    public static string Time(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";

    public static string Age(DateTimeOffset? time)
    {
        if (time is not { } known) return "";
        var age = TimeProvider.System.GetUtcNow() - known;
        return age.TotalSeconds switch
        {
            < 0 => "0 s",
            < 120 => string.Create(CultureInfo.InvariantCulture, $"{age.TotalSeconds:0} s"),
            < 7200 => string.Create(CultureInfo.InvariantCulture, $"{age.TotalMinutes:0} min"),
            < 172_800 => string.Create(CultureInfo.InvariantCulture, $"{age.TotalHours:0} h"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{age.TotalDays:0} days"),
        };
    }
}
