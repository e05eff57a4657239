using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;

namespace Matrix.ToDevice;

/// <summary>A section of a host's configuration that the module's options are bound from.</summary>
/// <remarks>
/// What nobody reads in it is an error: a limit that is misspelt would be none, and nobody would find out before it is needed.
/// </remarks>
internal sealed class BoundSection(IConfigurationSection section)
{
    public const string InMemory = "InMemory", Federation = "Federation", Appservices = "Appservices";

    // Of packages that this one does not know: a host binds these itself.
    private static readonly string[] s_ofOthers = ["Sqlite", "PostgreSql"];

    public IConfigurationSection Section => section;

    /// <summary>The key of an option, if it is set here.</summary>
    /// <param name="option">The option, as <c>Quota.MaxMessages</c>.</param>
    public string? KeyOf(string option)
    {
        var found = section.GetSection(option.Replace('.', ':'));
        return found.Exists() ? found.Path : null;
    }

    /// <summary>The keys that are no option.</summary>
    public IEnumerable<string> UnknownKeys() =>
        UnknownIn<SendToDeviceOptions>(
            section, [nameof(SendToDeviceOptions.RateLimits), nameof(SendToDeviceOptions.Quota), InMemory, Federation, Appservices, .. s_ofOthers])
        .Concat(UnknownIn<QuotaOptions>(section.GetSection(nameof(SendToDeviceOptions.Quota)), []))
        .Concat(UnknownIn<RateLimitOptions>(section.GetSection(nameof(SendToDeviceOptions.RateLimits)), []))
        .Concat(section.GetSection(nameof(SendToDeviceOptions.RateLimits)).GetChildren().SelectMany(limit => UnknownIn<RateLimit>(limit, [])))
        .Concat(UnknownIn<InMemoryOptions>(section.GetSection(InMemory), []))
        .Concat(UnknownIn<FederationSenderOptions>(section.GetSection(Federation), []))
        .Concat(UnknownIn<AppserviceOptions>(section.GetSection(Appservices), []));

    private static IEnumerable<string> UnknownIn<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] TOptions>(
        IConfigurationSection section, string[] more)
    {
        var known = typeof(TOptions).GetProperties().Where(property => property.CanWrite).Select(property => property.Name).Concat(more)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        return section.GetChildren().Where(child => !known.Contains(child.Key)).Select(child => child.Path);
    }
}
