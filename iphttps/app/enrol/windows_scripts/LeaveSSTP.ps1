# Reverts Join.ps1. In an administrator's prompt:
#
#     powershell -ExecutionPolicy Bypass -File .\Leave.ps1

$ErrorActionPreference = 'Stop'
$Server = @SERVER@
$Connection = @CONNECTION@
$Authority = @AUTHORITY@

$user = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Write-Host 'Administrator rights are required: open PowerShell with "Run as administrator" and run this script again.'
    exit 1
}

$found = @(Get-VpnConnection -AllUserConnection | Where-Object { $_.Name -eq $Connection -and $_.ServerAddress -eq $Server })
if ($found.Count -gt 0) {
    Remove-VpnConnection -AllUserConnection -Name $Connection -Force
}
if ($Authority -ne '') {
    $store = New-Object System.Security.Cryptography.X509Certificates.X509Store('Root', 'LocalMachine')
    $store.Open('ReadWrite')
    try {
        foreach ($ca in @($store.Certificates | Where-Object { $_.Thumbprint -eq $Authority })) {
            $store.Remove($ca)
        }
    } finally {
        $store.Close()
    }
}
Write-Host 'Done. The connection and the certificate were removed.'
