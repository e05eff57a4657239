using System.Globalization;
using System.Security.Cryptography;

namespace LocalHomeserver;

/// <summary>Passwords are kept as <c>iterations.salt.hash</c>, never themselves.</summary>
internal static class PasswordHash
{
    private const int SaltBytes = 16;

    public static string Of(string password, int iterations)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        return $"{iterations}.{Convert.ToBase64String(salt)}.{Convert.ToBase64String(Derive(password, salt, iterations))}";
    }

    public static bool IsOf(string password, string hash)
    {
        var parts = hash.Split('.');
        var derived = Derive(password, Convert.FromBase64String(parts[1]), int.Parse(parts[0], CultureInfo.InvariantCulture));
        return CryptographicOperations.FixedTimeEquals(derived, Convert.FromBase64String(parts[2]));
    }

    private static byte[] Derive(string password, byte[] salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA512, SHA512.HashSizeInBytes);
}
