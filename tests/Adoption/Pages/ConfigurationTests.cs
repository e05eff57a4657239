using System.Globalization;
using Matrix.ToDevice;

namespace Adoption;

/// <summary>docs/configuration.md names every option of every package, with its type and its default, and nothing else.</summary>
internal sealed class ConfigurationTests
{
    private const string InCode = " in code";

    // The options, and the part of the section in which they stand.
    private static readonly (Type Options, string Part)[] s_options =
    [
        (typeof(SendToDeviceOptions), ""), (typeof(QuotaOptions), "Quota:"), (typeof(RateLimit), "RateLimits:Senders:"),
        (typeof(RateLimit), "RateLimits:Recipients:"), (typeof(RateLimit), "RateLimits:Servers:"), (typeof(FederationSenderOptions), "Federation:"),
        (typeof(AppserviceOptions), "Appservices:"), (typeof(InMemoryOptions), "InMemory:"), (typeof(SqliteStoreOptions), "Sqlite:"),
        (typeof(PostgreSqlStoreOptions), "PostgreSql:"), (typeof(ClaimsAuthOptions), InCode),
    ];

    // What has options of its own.
    private static readonly Type[] s_parts = [typeof(QuotaOptions), typeof(RateLimitOptions)];

    private static readonly List<string[]> s_rows = [.. Page.Find("docs/configuration.md").Text
        .Where(line => line.Text.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Text.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray())];

    [Test]
    public void Every_option_is_there_with_its_type_and_its_default()
    {
        var expected = s_options.SelectMany(options => RowsOf(options.Options, options.Part)).ToList();

        Assert.That(s_rows.Select(row => $"{row[0]} {row[1]} {row[2]}"), Is.EquivalentTo(expected));
    }

    [Test]
    public void Every_row_has_its_range_says_whether_it_reloads_and_what_it_is() => Assert.Multiple(() =>
    {
        foreach (var row in s_rows)
        {
            Assert.That(row, Has.Length.EqualTo(6), row[0]);
            var ofTheModule = !row[0].EndsWith(InCode, StringComparison.Ordinal)
                && !((string[])["`Federation:", "`Appservices:", "`InMemory:", "`Sqlite:", "`PostgreSql:"]).Any(part => row[0].StartsWith(part, StringComparison.Ordinal));
            Assert.That(row[4], ofTheModule ? Does.StartWith("yes") : Is.EqualTo("no"), row[0]);
            Assert.That(row[5], Is.Not.Empty, row[0]);
        }
    });

    [Test]
    public void No_options_of_a_package_are_left_out()
    {
        Type[] ofPackages = [typeof(IDeviceInbox), typeof(ToDeviceSync), typeof(SqliteStoreOptions), typeof(PostgreSqlStoreOptions),
            typeof(Microsoft.EntityFrameworkCore.ToDeviceModelBuilderExtensions)];
        var all = ofPackages.SelectMany(type => type.Assembly.GetExportedTypes()).Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal));

        Assert.That(all.Except(s_parts).Except(s_options.Select(options => options.Options)), Is.Empty);
    }

    private static IEnumerable<string> RowsOf(Type options, string part)
    {
        var defaults = Activator.CreateInstance(options)!;
        foreach (var property in options.GetProperties().Where(property => !s_parts.Contains(property.PropertyType)))
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            var key = part == InCode ? $"`{property.Name}`{InCode}"
                : property.CanWrite ? $"`{part}{property.Name}`{(type.IsAbstract ? InCode : "")}" : $"`{part.TrimEnd(':')}`{InCode}";
            yield return $"{key} {NameOf(type)} {DefaultOf(property.GetValue(defaults), options)}";
        }
    }

    private static string NameOf(Type type) => type switch
    {
        { IsEnum: true } => string.Join(", ", Enum.GetNames(type)),
        _ when type == typeof(bool) => "true, false",
        _ when type == typeof(int) || type == typeof(long) => "integer",
        _ when type == typeof(double) => "number",
        _ when type == typeof(TimeSpan) => "time",
        _ when type == typeof(string) => "text",
        _ when type.Name == "NpgsqlDataSource" => "a data source",
        _ => "a list",
    };

    // Half a limit is none: both of its numbers have to be set.
    private static string DefaultOf(object? value, Type options) => options == typeof(RateLimit) ? "none" : value switch
    {
        null or "" => "none",
        int number => number.ToString("N0", CultureInfo.InvariantCulture),
        long number => number.ToString("N0", CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        TimeSpan time => time.ToString("c", CultureInfo.InvariantCulture),
        System.Collections.ICollection { Count: 0 } => "empty",
        _ => value.ToString()!,
    };
}
